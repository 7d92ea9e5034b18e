/*
 * Cuts the values out of JSON that is not one value per line: the elements of one large array, or
 * values one after another, over several lines (as jq prints them), also with the separators of
 * RFC 7464. Whether a value is valid is for its reader to say; here brackets and strings decide
 * where it ends.
 */

import {
  QUOTE,
  COMMA,
  OPENING_BRACKET,
  BACKSLASH,
  CLOSING_BRACKET,
  OPENING_BRACE,
  CLOSING_BRACE,
} from '../text/byte-names.js'
import { BadEvent, tooLong, UNIT_BYTES_MAX, type Unit, type UnitCutter } from './event-units.js'

/** Before each text of a JSON text sequence. */
const RECORD_SEPARATOR = 0x1e

const isBlank = (byte: number): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09 || byte === RECORD_SEPARATOR

/** What may come next between values. */
type Expected = 'start' | 'value' | 'element' | 'first element' | 'comma' | 'end'

export class JsonValueCutter implements UnitCutter {
  #rest: Buffer = Buffer.alloc(0)
  #expected: Expected = 'start'
  #isInArray = false
  /** Of the value under way: how deep its brackets are, whether a string is open, where it is. */
  #depth = 0
  #isInString = false
  /** The next byte belongs to an escape. */
  #isEscaped = false
  #at = 0
  #from = -1
  #isTooLong = false

  push(chunk: Buffer): Unit[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const units: Unit[] = []
    while (this.#at < bytes.length) {
      if (this.#from < 0) this.#between(bytes, units)
      else this.#inside(bytes, units)
    }
    this.#keep(bytes)
    return units
  }

  end(): Unit[] {
    const units: Unit[] = []
    if (this.#from >= 0 && this.#depth === 0 && !this.#isInString) {
      this.#finish(this.#rest, this.#rest.length, units)
    } else if (this.#from >= 0) {
      units.push(new BadEvent('not JSON', 'the file ends in the middle of it'))
    }
    const isTold = units.at(-1) instanceof BadEvent
    if (this.#isInArray && this.#expected !== 'end' && !isTold) {
      units.push(new BadEvent('not JSON', 'the file ends before the end of its array'))
    }
    return units
  }

  /** Keeps the value under way for the next bytes. */
  #keep(bytes: Buffer): void {
    const from = this.#from < 0 ? bytes.length : this.#from
    if (bytes.length - from > UNIT_BYTES_MAX) this.#isTooLong = true
    // Of a value that is too long only its brackets and strings are followed.
    const kept = this.#isTooLong ? bytes.length : from
    this.#rest = kept === bytes.length ? Buffer.alloc(0) : bytes.subarray(kept)
    this.#at -= kept
    if (this.#from >= 0) this.#from = this.#isTooLong ? 0 : this.#from - kept
  }

  #between(bytes: Buffer, units: Unit[]): void {
    const byte = bytes[this.#at] as number
    if (isBlank(byte)) {
      this.#at++
      return
    }
    if (this.#expected === 'start' && byte === OPENING_BRACKET) {
      this.#isInArray = true
      this.#expected = 'first element'
      this.#at++
      return
    }
    if (byte === COMMA && this.#expected === 'comma') {
      this.#expected = 'element'
      this.#at++
      return
    }
    const mayEnd = this.#expected === 'comma' || this.#expected === 'first element'
    if (byte === CLOSING_BRACKET && mayEnd) {
      this.#expected = 'end'
      this.#at++
      return
    }
    const isNoElement = byte === CLOSING_BRACKET && this.#expected === 'element'
    if (this.#expected === 'comma' || this.#expected === 'end' || byte === COMMA || isNoElement) {
      this.#refuse(byte, units)
      return
    }
    this.#from = this.#at
  }

  /** A character where none may be: everything up to the next bracket is no event. */
  #refuse(byte: number, units: Unit[]): void {
    const what = JSON.stringify(String.fromCharCode(byte))
    const expected = this.#expected === 'end' ? 'the end of the file' : 'a comma or a value'
    units.push(new BadEvent('not JSON', `expected ${expected}, got ${what}`))
    if (this.#expected === 'comma' && byte !== COMMA && byte !== CLOSING_BRACKET) {
      this.#expected = 'element'
    } else {
      if (byte === CLOSING_BRACKET && this.#expected === 'element') this.#expected = 'end'
      this.#at++
    }
  }

  /** Goes on to the end of the value, or of the bytes. */
  #inside(bytes: Buffer, units: Unit[]): void {
    while (this.#at < bytes.length) {
      const byte = bytes[this.#at] as number
      if (this.#isInString) {
        if (!this.#throughString(bytes)) return
        if (this.#depth === 0) return this.#finish(bytes, this.#at, units)
        continue
      }
      if (byte === QUOTE) {
        if (this.#depth === 0 && this.#at > this.#from) return this.#finish(bytes, this.#at, units)
        this.#isInString = true
        this.#at++
        continue
      }
      if (this.#isScalarEnd(byte)) return this.#finish(bytes, this.#at, units)
      this.#at++
      if (byte === OPENING_BRACE || byte === OPENING_BRACKET) this.#depth++
      if (byte !== CLOSING_BRACE && byte !== CLOSING_BRACKET) continue
      if (this.#depth > 0) this.#depth--
      if (this.#depth === 0) return this.#finish(bytes, this.#at, units)
    }
  }

  #isScalarEnd(byte: number): boolean {
    if (this.#depth > 0 || this.#at === this.#from) return false
    return (
      isBlank(byte) ||
      byte === COMMA ||
      byte === OPENING_BRACE ||
      byte === OPENING_BRACKET ||
      byte === CLOSING_BRACE ||
      byte === CLOSING_BRACKET
    )
  }

  /** Moves behind the closing quote; false if it is not in these bytes. */
  #throughString(bytes: Buffer): boolean {
    if (this.#isEscaped) this.#at++
    this.#isEscaped = false
    while (this.#at < bytes.length) {
      const byte = bytes[this.#at] as number
      if (byte === BACKSLASH) {
        // Half of an escape waits for its other half.
        this.#isEscaped = this.#at + 1 === bytes.length
        this.#at += this.#isEscaped ? 1 : 2
        continue
      }
      this.#at++
      if (byte !== QUOTE) continue
      this.#isInString = false
      return true
    }
    return false
  }

  #finish(bytes: Buffer, to: number, units: Unit[]): void {
    units.push(this.#isTooLong ? tooLong() : bytes.subarray(this.#from, to))
    this.#from = -1
    this.#at = to
    this.#depth = 0
    this.#isInString = false
    this.#isTooLong = false
    this.#expected = this.#isInArray ? 'comma' : 'value'
  }
}
