/*
 * The records of `__consumer_offsets`: the durable state of a group coordinator.
 *
 * A key begins with an int16, the kind of the record; a value begins with an int16, its version.
 * A null value deletes the key. Readers skip unknown kinds.
 */

import { ByteReader, ByteWriter } from '../../base/bytes.js'
import { ZERO_UUID } from '../../base/uuid.js'
import {
  array,
  between,
  bytes,
  int16,
  int32,
  int64,
  message,
  nullableString,
  read,
  since,
  string,
  struct,
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

/** The only version with the time at which a commit expires. */
export const EXPIRING_OFFSET_COMMIT_VALUE_VERSION = 1

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

export const GROUP_METADATA_KIND = 2

export const groupMetadataKey = message(
  'GroupMetadataKey',
  { versions: [GROUP_METADATA_KIND, GROUP_METADATA_KIND], flexibleSince: Infinity },
  { group: string },
)

/** Kafka also reads version 4 but does not write it. */
export const GROUP_METADATA_VALUE_VERSION = 3

const groupMember = struct({
  memberId: string,
  groupInstanceId: since(3, nullableString, null),
  clientId: string,
  clientHost: string,
  rebalanceTimeout: since(1, int32, -1),
  sessionTimeout: int32,
  /** The member's metadata for the selected protocol. */
  subscription: bytes,
  assignment: bytes,
})

/** A generation of a group: its members and their assignments. */
export const groupMetadataValue = message(
  'GroupMetadataValue',
  { versions: [0, 4], flexibleSince: 4 },
  {
    protocolType: string,
    generation: int32,
    protocol: nullableString,
    leader: nullableString,
    currentStateTimestamp: since(2, int64, -1),
    members: array(groupMember),
  },
)

export type OffsetCommitKey = ValueOf<typeof offsetCommitKey>
export type OffsetCommitValue = ValueOf<typeof offsetCommitValue>
export type GroupMetadataKey = ValueOf<typeof groupMetadataKey>
export type GroupMetadataValue = ValueOf<typeof groupMetadataValue>

/** Encodes an int16 version followed by the message in that version. */
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
