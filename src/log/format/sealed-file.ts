/**
 * A small file of Kafka's that has no checksum, and beside it a second copy that has one. One digit
 * of a checkpoint decides what is scanned, shown or deleted: it is not guessed whether it is right.
 *
 *   log-start-offset-checkpoint           the text as Kafka writes and reads it
 *   log-start-offset-checkpoint.sealed    partlog 1\n
 *                                         CRC-32C of path and all that follows, 8 hex digits\n
 *                                         CRC-32C of the text that was there before, or -\n
 *                                         how often it was written, and how often others were\n
 *                                         the text
 *
 * Why a second file, and not a line in the first: Kafka refuses lines it does not know. Why a whole
 * copy, and not a checksum alone: then the digit is mended, not only missed. Why the checksum of
 * the text before: two files cannot be replaced in one step. The copy is written first, so after a
 * crash in between the file is the one before, which is no damage. Why the counts: an older copy
 * has a right checksum, too. The copies written since then know that there was a later one.
 *
 * Without the copy (folders of Kafka, or of an older partlog) the file is read as it is, and held
 * against the log by those who use it.
 * Whoever lets a Kafka broker write into a folder of partlog's has to remove the copies: what it
 * writes would be taken for rot.
 */

import { crc32c } from '../../base/crc32c.js'
import { readSmallFile, replaceSmallFile, type Disk } from '../../disk/disk.js'
import { SEALED_SUFFIX } from './files.js'

const FILE_MAX_BYTES = 64 * 1024 * 1024
const SEAL = /^partlog 1\n([0-9a-f]{8})\n([0-9a-f]{8}|-)\n([^\n]*)\n/
/** Stands for a file that was not there. */
const NO_FILE = '-'

/** How often each of some files was written, by path: they vouch for each other. */
export type WriteCounts = Map<string, number>

/** What is known of a file. */
export interface SealedText {
  /** Undefined when there is none. */
  readonly text: string | undefined
  /** Its checksum was right: it is what was written last. */
  readonly isSealed: boolean
  /** What was found wrong. */
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
  /** In the file, as far as it was looked at or written. */
  #text: string | undefined
  /** Both files hold it. */
  #isSealed = false

  /** `counts` is shared by the files that vouch for each other. */
  constructor(disk: Disk, path: string, counts: WriteCounts = new Map()) {
    this.#disk = disk
    this.path = path
    this.#counts = counts
  }

  /** Reads both files, and what the copy knows of others. Rejects with DiskError. */
  async load(): Promise<void> {
    this.#text = await this.#readText(this.path)
    const copy = await this.#readText(this.path + SEALED_SUFFIX)
    this.#seal = copy === undefined ? undefined : (this.#opened(copy) ?? 'damaged')
    if (this.#seal === undefined || this.#seal === 'damaged') return
    for (const [path, count] of this.#seal.counts) {
      this.#counts.set(path, Math.max(count, this.#counts.get(path) ?? 0))
    }
  }

  /** What the files say, once all that vouch for each other are loaded. */
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

  /** Replaces both, if it is another text. Durable when it resolves. Rejects with DiskError. */
  async write(text: string): Promise<void> {
    if (this.#isSealed && text === this.#text) return
    const count = (this.#counts.get(this.path) ?? 0) + 1
    const counts = formatCounts(new Map(this.#counts).set(this.path, count))
    const body = `${checksumOf(this.#text)}\n${counts}\n${text}`
    const copy = `partlog 1\n${this.#checksum(body)}\n${body}`
    this.#isSealed = false
    await replaceSmallFile(this.#disk, this.path + SEALED_SUFFIX, Buffer.from(copy))
    this.#counts.set(this.path, count)
    await replaceSmallFile(this.#disk, this.path, Buffer.from(text))
    this.#text = text
    this.#isSealed = true
  }

  #opened(copy: string): Seal | undefined {
    const [head, checksum, textBefore, counts] = SEAL.exec(copy) ?? []
    if (head === undefined || textBefore === undefined || counts === undefined) return undefined
    const text = copy.slice(head.length)
    const isRight = checksum === this.#checksum(`${textBefore}\n${counts}\n${text}`)
    return isRight ? { text, textBefore, counts: parseCounts(counts) } : undefined
  }

  /** The path is in it: a copy of another file is none of this one. */
  #checksum(body: string): string {
    return checksumOf(`${this.path}\n${body}`)
  }

  async #readText(path: string): Promise<string | undefined> {
    return (await readSmallFile(this.#disk, path, FILE_MAX_BYTES))?.toString('utf8')
  }
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
