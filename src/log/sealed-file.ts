/**
 * A small file of Kafka's that has no checksum, and beside it a second copy that has one. One digit
 * of a checkpoint decides what is scanned, shown or deleted: it is not guessed whether it is right.
 *
 *   log-start-offset-checkpoint           the text as Kafka writes and reads it
 *   log-start-offset-checkpoint.sealed    partlog 1\n
 *                                         CRC-32C of path and all that follows, 8 hex digits\n
 *                                         CRC-32C of the text that was there before, or -\n
 *                                         the text
 *
 * Why a second file, and not a line in the first: Kafka refuses lines it does not know. Why a whole
 *                                         CRC-32C of the text before it, or - for no file\n
 * text before: two files cannot be replaced in one step. The copy is written first, so after a
 * crash in between the file is the one before, which is no damage.
 *
 * Without the copy (folders of Kafka, or of an older partlog) the file is read as it is, and held
 * against the log by those who use it.
 */

import { crc32c } from '../base/crc32c.js'
import { readSmallFile, replaceSmallFile, type Disk } from '../disk/disk.js'
import { SEALED_SUFFIX } from './files.js'

const FILE_MAX_BYTES = 64 * 1024 * 1024
const SEAL = /^partlog 1\n([0-9a-f]{8})\n([0-9a-f]{8}|-)\n/
/** Stands for a file that was not there. */
const NO_FILE = '-'

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
}

export class SealedFile {
  readonly path: string
  readonly #disk: Disk
  /** In the file, as far as it was looked at or written. */
  #text: string | undefined
  /** Both files hold it. */
  #isSealed = false

  constructor(disk: Disk, path: string) {
    this.#disk = disk
    this.path = path
  }

  /** Reads both files. Rejects with DiskError. */
  async read(): Promise<SealedText> {
    this.#text = await this.#readText(this.path)
    const copyPath = this.path + SEALED_SUFFIX
    const copy = await this.#readText(copyPath)
    const text = this.#text
    if (copy === undefined) return { text, isSealed: false, odd: undefined }
    const seal = this.#opened(copy)
    if (seal === undefined) return { text, isSealed: false, odd: `${copyPath} is damaged` }
    this.#isSealed = text === seal.text
    const isBefore = checksumOf(text) === seal.textBefore
    const odd = this.#isSealed || isBefore ? undefined : `${this.path} is not what was written`
    return { text: seal.text, isSealed: true, odd }
  }

  /** Replaces both, if it is another text. Durable when it resolves. Rejects with DiskError. */
  async write(text: string): Promise<void> {
    if (this.#isSealed && text === this.#text) return
    const body = `${checksumOf(this.#text)}\n${text}`
    const copy = `partlog 1\n${this.#checksum(body)}\n${body}`
    this.#isSealed = false
    await replaceSmallFile(this.#disk, this.path + SEALED_SUFFIX, Buffer.from(copy))
    await replaceSmallFile(this.#disk, this.path, Buffer.from(text))
    this.#text = text
    this.#isSealed = true
  }

  #opened(copy: string): Seal | undefined {
    const [head, checksum, textBefore] = SEAL.exec(copy) ?? []
    if (head === undefined || textBefore === undefined) return undefined
    const text = copy.slice(head.length)
    const isRight = checksum === this.#checksum(`${textBefore}\n${text}`)
    return isRight ? { text, textBefore } : undefined
  }

  /** The path is in it: a copy of another file is none of this one. */
  #checksum(body: string): string {
    return checksumOf(`${this.path}\n${body}`)
  }

  async #readText(path: string): Promise<string | undefined> {
    return (await readSmallFile(this.#disk, path, FILE_MAX_BYTES))?.toString('utf8')
  }
}

function checksumOf(text: string | undefined): string {
  if (text === undefined) return NO_FILE
  const bytes = Buffer.from(text)
  return crc32c(bytes, 0, bytes.length).toString(16).padStart(8, '0')
}
