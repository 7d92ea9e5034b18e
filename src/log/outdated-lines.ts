/*
 * Lines of the checkpoint files that are about logs of the past: the folder was deleted or set
 * aside, and the files could not be written since, on a full disk for example. A line names a
 * partition, not a topic id, so it must never meet the next log of that name:
 *
 * - The next log is not made before the files were written without the line.
 * - Deleted folders stay until then, without their files. A process that starts knows the line by
 *   that: its name has no folder but a deleted one.
 */

import { DELETED_ENDING, isDeletedFolder } from './format/files.js'

export class OutdatedLines {
  /** Names of partitions; their folders have the same names. */
  readonly #names = new Set<string>()

  get isEmpty(): boolean {
    return this.#names.size === 0
  }

  add(name: string): void {
    this.#names.add(name)
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Writes the files: what was outdated before is not in them any more. */
  async without(write: () => Promise<void>): Promise<void> {
    const left = [...this.#names]
    await write()
    for (const name of left) this.#names.delete(name)
  }
}

/**
 * Those of `names` that have no folder but a deleted one. A folder that was set aside proves
 * nothing: it stays for ever, and a folder that is lost later must be missed.
 */
export function outdatedOf(names: Iterable<string>, folders: readonly string[]): string[] {
  const there = new Set(folders)
  const past = folders.filter(isDeletedFolder).map(folder => folder.replace(DELETED_ENDING, ''))
  // A long name was cut to make room for the ending.
  const isPast = (name: string): boolean => past.some(cut => name === cut || isCutOf(cut, name))
  return [...new Set(names)].filter(name => !there.has(name) && isPast(name))
}

function isCutOf(cut: string, name: string): boolean {
  return cut.length >= CUT_LENGTH_MIN && name.startsWith(cut)
}

/** The longest ending of a folder's name has 40 characters, the longest name 255. */
const CUT_LENGTH_MIN = 200
