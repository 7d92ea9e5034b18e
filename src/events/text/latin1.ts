/*
 * Bytes as text with one character (of Latin-1) for each byte. The engine cuts and joins such text
 * faster than bytes, and turns much of it into bytes in one call.
 */

/** The text of bytes; null for null. */
export function latin1Of(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** The text of the UTF-8 bytes of a text. */
export function latin1OfText(text: string): string {
  return isAscii(text) ? text : Buffer.from(text).toString('latin1')
}

/** The bytes of such text. */
export function bytesOfLatin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}

/** Is it ASCII, without DEL? Then JSON.stringify leaves no character that a terminal obeys. */
export function isPlainAscii(text: string): boolean {
  return isAscii(text) && !text.includes('\u007f')
}
