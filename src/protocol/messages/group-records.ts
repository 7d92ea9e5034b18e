/**
 * The records of `__consumer_offsets`: what a group coordinator remembers.
 *
 * A key begins with an int16 that says what kind of record it is, a value with an int16 that says
 * in which version it is written. A null value takes the key back. Kinds that are not known here
 * are skipped by whoever reads.
 */

import { ByteReader, ByteWriter } from '../../base/bytes.js'
import { ZERO_UUID } from '../../base/uuid.js'
import {
  between,
  int16,
  int32,
  int64,
  message,
  read,
  since,
  string,
  tagged,
  uuid,
  write,
  type Message,
  type ValueOf,
} from '../schema.js'

const KIND_RANGE = { versions: [0, 1], flexibleSince: Infinity } as const

/** Kinds 0 and 1 are both an offset commit; 0 is only read. */
export const offsetCommitKey = message('OffsetCommitKey', KIND_RANGE, {
  group: string,
  topic: string,
  partition: int32,
})

export const OFFSET_COMMIT_KIND = 1

/** Kafka 4.1 and later write version 4. */
export const OFFSET_COMMIT_VALUE_VERSION = 4

export const offsetCommitValue = message(
  'OffsetCommitValue',
  { versions: [0, 4], flexibleSince: 4 },
  {
    offset: int64,
    leaderEpoch: since(3, int32, -1),
    metadata: string,
    commitTimestamp: int64,
    expireTimestamp: between([1, 1], int64, -1),
    topicId: tagged(0, 4, uuid, ZERO_UUID),
  },
)

export type OffsetCommitKey = ValueOf<typeof offsetCommitKey>
export type OffsetCommitValue = ValueOf<typeof offsetCommitValue>

/** An int16 and a message in the version it names. */
export function encodeVersioned<T>(layout: Message<T>, value: T, version: number): Buffer {
  const writer = new ByteWriter()
  int16.write(writer, version, { version, isFlexible: false })
  write(layout, writer, value, version)
  return writer.finish()
}

export function decodeVersioned<T>(layout: Message<T>, bytes: Uint8Array): T {
  const reader = new ByteReader(bytes)
  const version = reader.int16()
  return read(layout, reader, version)
}

/** The kind of a record, by its key; undefined when the key is too short to have one. */
export function kindOf(key: Uint8Array | null): number | undefined {
  return key === null || key.byteLength < 2 ? undefined : new ByteReader(key).int16()
}
