/*
 * A unit is the part of a file that one event stands in: a line, a row of CSV, a value of JSON.
 * Units are counted from 1; blank ones and those that cannot be read count, too.
 */

import { viewOf } from '../../base/bytes.js'
import { LINE_FEED, CARRIAGE_RETURN } from '../text/byte-names.js'

/** Why a unit is not an event. */
export class BadEvent extends Error {
  override readonly name = 'BadEvent'

  /** `kind`: the reason without the details of this event; events are counted by it. */
  constructor(
    readonly kind: string,
    sentence: string,
  ) {
    super(sentence)
  }
}

/** A larger unit is refused, so that a file without line breaks does not fill the memory. */
export const UNIT_BYTES_MAX = 16 * 1024 * 1024

export function tooLong(): BadEvent {
  return new BadEvent('too long', `it is longer than ${UNIT_BYTES_MAX} bytes`)
}

export type Unit = Buffer | BadEvent

/** Cuts bytes into units. A unit may be a view of the bytes that were given. */
export interface UnitCutter {
  /** The units that end in these bytes. */
  push(bytes: Buffer): Unit[]
  /** The last unit, if it has no end of its own. */
  end(): Unit[]
}


/** Lines end with LF or CRLF; the last one may have no end. */
export class LineCutter implements UnitCutter {
  #rest: Buffer = Buffer.alloc(0)
  /** The current line is too long: its bytes are dropped. */
  #isTooLong = false

  push(chunk: Buffer): Unit[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    // What was looked at before has no line feed.
    let at = bytes.indexOf(LINE_FEED, this.#rest.length)
    const units: Unit[] = []
    const { buffer: memory, byteOffset: start } = bytes
    let from = 0
    for (; at >= 0; at = bytes.indexOf(LINE_FEED, from)) {
      const isLong = this.#isTooLong || at - from > UNIT_BYTES_MAX
      const end = at > from && bytes[at - 1] === CARRIAGE_RETURN ? at - 1 : at
      units.push(isLong ? tooLong() : viewOf(memory, start + from, end - from))
      this.#isTooLong = false
      from = at + 1
    }
    this.#rest = bytes.subarray(from)
    if (this.#rest.length > UNIT_BYTES_MAX) this.#isTooLong = true
    if (this.#isTooLong) this.#rest = Buffer.alloc(0)
    return units
  }

  end(): Unit[] {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    if (this.#isTooLong) return [tooLong()]
    return rest.length > 0 ? [lineIn(rest, 0, rest.length)] : []
  }
}

function lineIn(bytes: Buffer, from: number, to: number): Buffer {
  const hasReturn = to > from && bytes[to - 1] === CARRIAGE_RETURN
  return bytes.subarray(from, hasReturn ? to - 1 : to)
}
