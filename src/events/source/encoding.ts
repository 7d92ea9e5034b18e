/*
 * Text in UTF-8, whatever it was. A byte order mark is dropped. UTF-16 is recognized by its mark,
 * or by the zeros beside the first characters, and becomes UTF-8; so does any encoding that is
 * named.
 */

import { PartlogError } from '../../model/errors.js'

type Decoder = InstanceType<typeof TextDecoder>

const MARK_BYTES = 4
const UTF8_MARK = Buffer.of(0xef, 0xbb, 0xbf)

export interface DecodingOptions {
  /** The encoding, by a name that TextDecoder knows. Default: UTF-8, or UTF-16 if it is that. */
  readonly encoding?: string | undefined
  /** Told the encoding that was recognized, if it is not UTF-8. */
  readonly onRecognized?: (encoding: string) => void
}

/** Throws INVALID_ARGUMENT if Node does not know the encoding. */
export function checkEncoding(encoding: string): void {
  try {
    void new TextDecoder(encoding)
  } catch {
    throw new PartlogError(
      'INVALID_ARGUMENT',
      `expected an encoding like utf-8, utf-16le or windows-1252, got ${JSON.stringify(encoding)}`,
    )
  }
}

/** The same text in UTF-8, without a byte order mark. */
export async function* decoded(
  source: AsyncIterable<Buffer>,
  { encoding, onRecognized }: DecodingOptions = {},
): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0)
  let decoder: Decoder | undefined
  const begin = (bytes: Buffer): Buffer => {
    head = undefined
    const wide = encoding === undefined ? wideEncodingOf(bytes) : undefined
    if (wide !== undefined) onRecognized?.(wide)
    decoder = decoderOf(encoding ?? wide)
    return decoder === undefined ? withoutMark(bytes) : utf8Of(decoder, bytes)
  }
  for await (const chunk of source) {
    if (head === undefined) {
      yield decoder === undefined ? chunk : utf8Of(decoder, chunk)
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length >= MARK_BYTES) yield begin(head)
  }
  if (head !== undefined && head.length > 0) yield begin(head)
  if (decoder !== undefined) yield utf8Of(decoder)
}

/** undefined for UTF-8: its bytes stay as they are, valid or not. */
function decoderOf(encoding: string | undefined): Decoder | undefined {
  if (encoding === undefined) return undefined
  if (encoding.startsWith('utf-32')) {
    throw new Error('it is in UTF-32, expected UTF-8 (iconv -f UTF-32 -t UTF-8 converts it)')
  }
  const decoder = new TextDecoder(encoding, { fatal: true })
  return decoder.encoding === 'utf-8' ? undefined : decoder
}

function utf8Of(decoder: Decoder, bytes?: Buffer): Buffer {
  try {
    return Buffer.from(decoder.decode(bytes, { stream: bytes !== undefined }))
  } catch {
    throw new Error(`it is not ${decoder.encoding}`)
  }
}

function withoutMark(head: Buffer): Buffer {
  return head.subarray(0, 3).equals(UTF8_MARK) ? head.subarray(3) : head
}

/**
 * By the byte order mark, or by the first two characters: text begins with ASCII, so UTF-16 shows
 * as a zero in every other byte.
 */
function wideEncodingOf(head: Buffer): string | undefined {
  const [a, b, c, d] = head
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 ? 'utf-32le' : 'utf-16le'
  if (a === 0xfe && b === 0xff) return 'utf-16be'
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return 'utf-32be'
  if (head.length < MARK_BYTES) return undefined
  if (isText(a) && b === 0 && isText(c) && d === 0) return 'utf-16le'
  return a === 0 && isText(b) && c === 0 && isText(d) ? 'utf-16be' : undefined
}

function isText(byte: number | undefined): boolean {
  return byte !== undefined && (byte >= 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09)
}
