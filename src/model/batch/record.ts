/* A stored record and its parts, as plain data. */

import type { Offset, Timestamp } from '../units.js'

/** One header of a record. Keys may repeat; their order is kept. */
export interface Header {
  readonly key: string
  readonly value: Uint8Array | null
}

/** Whether the timestamp is the producer's or that of the broker's append. */
export type TimestampType = 'CreateTime' | 'LogAppendTime'

/** A record as stored in a log: bytes, not deserialized. */
export interface StoredRecord {
  readonly offset: Offset
  readonly timestamp: Timestamp
  readonly timestampType: TimestampType
  /** null is "no key"; an empty key is a key. */
  readonly key: Uint8Array | null
  /** null is a tombstone; an empty value is a value. */
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
}

/** A key, value or header value to write: text becomes UTF-8. */
export type BytesIn = string | Uint8Array | null

/** A header to write. */
export type HeaderIn = readonly [key: string, value: BytesIn]

export const NO_HEADERS: readonly Header[] = Object.freeze([])
