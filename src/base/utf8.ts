/*
 * Text to bytes and back at the engine's speed. `Buffer.write` and `Buffer.toString` spend as much
 * time on their arguments as on 100 bytes of text. The methods they call are on every Buffer, but
 * have no types. Where they are missing, the documented methods are used.
 */

interface BareMethods {
  utf8Write?(this: Buffer, text: string, at: number, bytesMax: number): number
  utf8Slice?(this: Buffer, start: number, end: number): string
}

const { utf8Write, utf8Slice } = Buffer.prototype as BareMethods

/** Writes text as UTF-8, returns the number of bytes. The caller makes sure that it fits. */
export const putUtf8: (buffer: Buffer, text: string, at: number) => number =
  utf8Write === undefined
    ? (buffer, text, at) => buffer.write(text, at)
    : (buffer, text, at) => utf8Write.call(buffer, text, at, buffer.length - at)

/** The text of the bytes `[start, end)`, which must lie within the buffer. */
export const getUtf8: (buffer: Buffer, start: number, end: number) => string =
  utf8Slice === undefined
    ? (buffer, start, end) => buffer.toString('utf8', start, end)
    : (buffer, start, end) => utf8Slice.call(buffer, start, end)
