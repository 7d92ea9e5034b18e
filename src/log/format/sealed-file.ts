/*
 * A small Kafka file without a checksum, and next to it a second copy with one. One digit of a
 * checkpoint decides what is scanned, shown or deleted, so a wrong digit must be noticed.
 *
 *   log-start-offset-checkpoint           the text as Kafka writes and reads it
 *   log-start-offset-checkpoint.sealed    partlog 1\n
 *                                         CRC-32C of the path and all that follows, 8 hex digits\n
 *                                         CRC-32C of the previous text, or -\n
 *                                         how often this file and others were written\n
 *                                         the text
 *
 * Why a second file, not a line in the first: Kafka refuses lines it does not know. Why a whole
 * copy, not only a checksum: the copy also repairs the wrong digit. Why the checksum of the
 * previous text: two files cannot be replaced in one step. The copy is written first, so after a
 * crash in between the file has the previous text, which is not damage. Why the counts: an older
 * copy has a valid checksum too, but copies written later know that there was a newer one.
 *
 * Without the copy (folders of Kafka or of an older partlog) the file is read alone, and its users
 * check it against the log.
 * Before a Kafka broker writes into a partlog folder, people must remove the copies: otherwise
 * partlog takes what Kafka has written for rot.
 */

import { crc32c } from '../../base/checksums/crc32c.js'
import { allDone } from '../../base/tasks.js'
import { prepareFile, putInPlace, readSmallFile, type Disk } from '../../disk/disk.js'
import { SEALED_SUFFIX } from './files.js'

const FILE_MAX_BYTES = 64 * 1024 * 1024
const SEAL = /^partlog 1\n([0-9a-f]{8})\n([0-9a-f]{8}|-)\n([^\n]*)\n/
/** The checksum of a file that did not exist. */
const NO_FILE = '-'

/** How often each file was written, by path: each copy holds the counts of all. */
export type WriteCounts = Map<string, number>

export interface NewFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/** The text of a file and how far it can be trusted. */
export interface SealedText {
  /** Undefined if neither file exists. */
  readonly text: string | undefined
  /** Its checksum is valid: it is the text written last. */
  readonly isSealed: boolean
  /** What is wrong with one of the files; undefined if nothing is. */
  readonly odd: string | undefined
}

interface Seal {
  readonly text: string
  readonly textBefore: string
  readonly counts: WriteCounts
}

export class SealedFile {
  readonly path: string
  readonly #disk: Disk
  readonly #counts: WriteCounts
  #seal: Seal | 'damaged' | undefined
  /** The text last read from or written to the file. */
  #text: string | undefined
  /** Both files hold `#text`. */
  #isSealed = false
  /** One of the two files may exist. */
  #mayExist = true

  /** `counts` is shared by all files whose copies hold each other's counts. */
  constructor(disk: Disk, path: string, counts: WriteCounts = new Map()) {
    this.#disk = disk
    this.path = path
    this.#counts = counts
  }

  /** The folder is new: neither file exists. */
  beginNew(): void {
    this.#mayExist = false
  }

  /** Reads both files and the counts in the copy. Rejects with DiskError. */
  async load(): Promise<void> {
    this.#text = await this.#readText(this.path)
    const copy = await this.#readText(this.path + SEALED_SUFFIX)
    this.#seal = copy === undefined ? undefined : (this.#parseSeal(copy) ?? 'damaged')
    this.#mayExist = copy !== undefined || this.#text !== undefined
    if (this.#seal === undefined || this.#seal === 'damaged') return
    for (const [path, count] of this.#seal.counts) {
      this.#counts.set(path, Math.max(count, this.#counts.get(path) ?? 0))
    }
  }

  /** False if neither file was there when they were read, and none was written since. */
  get mayExist(): boolean {
    return this.#mayExist
  }

  /** The text, once all files that share `counts` are loaded. */
  get content(): SealedText {
    const [seal, text] = [this.#seal, this.#text]
    const copy = this.path + SEALED_SUFFIX
    if (seal === undefined) return { text, isSealed: false, odd: undefined }
    if (seal === 'damaged') return { text, isSealed: false, odd: `${copy} is damaged` }
    const isOlder = (seal.counts.get(this.path) ?? 0) < (this.#counts.get(this.path) ?? 0)
    if (isOlder) return { text, isSealed: false, odd: `${copy} is an older copy` }
    this.#isSealed = text === seal.text
    const isBefore = checksumOf(text) === seal.textBefore
    const odd = this.#isSealed || isBefore ? undefined : `${this.path} is not what was written`
    return { text: seal.text, isSealed: true, odd }
  }

  /** Replaces both files if the text differs. Durable when it resolves. Rejects with DiskError. */
  async write(text: string): Promise<void> {
    await writeSealedFiles(this.#disk, [[this, text]])
  }

  /** Steps of `writeSealedFiles`. */
  isWritten(text: string): boolean {
    return this.#isSealed && text === this.#text
  }

  async prepare(text: string): Promise<void> {
    const count = (this.#counts.get(this.path) ?? 0) + 1
    const counts = formatCounts(new Map(this.#counts).set(this.path, count))
    const body = `${checksumOf(this.#text)}\n${counts}\n${text}`
    const copy = `partlog 1\n${this.#checksum(body)}\n${body}`
    this.#isSealed = false
    this.#mayExist = true
    await allDone([
      prepareFile(this.#disk, this.path + SEALED_SUFFIX, Buffer.from(copy)),
      prepareFile(this.#disk, this.path, Buffer.from(text)),
    ])
  }

  copyReplaced(): void {
    this.#counts.set(this.path, (this.#counts.get(this.path) ?? 0) + 1)
  }

  replaced(text: string): void {
    this.#text = text
    this.#isSealed = true
  }

  #parseSeal(copy: string): Seal | undefined {
    const [head, checksum, textBefore, counts] = SEAL.exec(copy) ?? []
    if (head === undefined || textBefore === undefined || counts === undefined) return undefined
    const text = copy.slice(head.length)
    const isRight = checksum === this.#checksum(`${textBefore}\n${counts}\n${text}`)
    return isRight ? { text, textBefore, counts: parseCounts(counts) } : undefined
  }

  /** It covers the path, so the copy of another file does not match. */
  #checksum(body: string): string {
    return checksumOf(`${this.path}\n${body}`)
  }

  async #readText(path: string): Promise<string | undefined> {
    return (await readSmallFile(this.#disk, path, FILE_MAX_BYTES))?.toString('utf8')
  }
}

/**
 * Replaces files of one folder whose texts differ, with their copies, and after the copies `last`,
 * another file of the folder. Durable when it resolves. Rejects with DiskError.
 *
 * All new bytes are synced at once and the folder twice, whatever the number of files: closing a
 * cluster with one topic needs 12 syncs instead of 22.
 */
export async function writeSealedFiles(
  disk: Disk,
  texts: Iterable<readonly [SealedFile, string]>,
  last?: NewFile,
): Promise<void> {
  const changed = [...texts].filter(([file, text]) => !file.isWritten(text))
  const prepared = changed.map(([file, text]) => file.prepare(text))
  if (last !== undefined) prepared.push(prepareFile(disk, last.path, last.bytes))
  await allDone(prepared)
  const paths = changed.map(([file]) => file.path)
  if (paths.length > 0) {
    await putInPlace(disk, paths.map(path => path + SEALED_SUFFIX))
    for (const [file] of changed) file.copyReplaced()
  }
  if (last !== undefined) paths.push(last.path)
  if (paths.length > 0) await putInPlace(disk, paths)
  for (const [file, text] of changed) file.replaced(text)
}

/** `3 a/b 12 a/c`: written 3 and 12 times. */
function formatCounts(counts: WriteCounts): string {
  return [...counts].map(([path, count]) => `${count} ${path}`).join(' ')
}

function parseCounts(text: string): WriteCounts {
  const words = text.split(' ')
  const counts: WriteCounts = new Map()
  for (let at = 0; at + 1 < words.length; at += 2) {
    counts.set(words[at + 1] as string, Number(words[at]))
  }
  return counts
}

function checksumOf(text: string | undefined): string {
  if (text === undefined) return NO_FILE
  const bytes = Buffer.from(text)
  return crc32c(bytes, 0, bytes.length).toString(16).padStart(8, '0')
}
