/*
 * Records as Kafka's dump tool shows them: those of its own topics by their fields, the markers of
 * control batches by their kind, all others as text.
 */

import { ByteReader } from '../../base/bytes.js'
import { recordFields } from '../../events/formats/record-lines.js'
import type { Batch } from '../../model/batch/batch.js'
import { controlTypeOf } from '../../model/batch/control.js'
import { isReadable } from '../../model/batch/compression.js'
import { RecordCursor } from '../../model/batch/record-cursor.js'
import {
  CONSUMER_GROUP_KINDS,
  consumerMemberKey,
  consumerMemberValue,
  currentKey,
  currentValue,
  groupEpochKey,
  groupEpochValue,
  groupPartitionsKey,
  patternKey,
  patternValue,
  targetEpochKey,
  targetEpochValue,
  targetKey,
  targetValue,
} from '../../protocol/messages/consumer-group-records.js'
import {
  CONSUMER_PROTOCOL,
  decodeAssignment,
  decodeSubscription,
} from '../../protocol/messages/consumer-protocol.js'
import {
  decodeVersioned,
  GROUP_METADATA_KIND,
  groupMetadataKey,
  groupMetadataValue,
  kindOf,
  offsetCommitKey,
  offsetCommitValue,
  type GroupMetadataValue,
} from '../../protocol/messages/group-records.js'
import {
  TRANSACTION_KIND,
  transactionKey,
  transactionValue,
} from '../../protocol/messages/transaction-records.js'
import {
  array,
  int16,
  int32,
  int64,
  message,
  read,
  since,
  string,
  struct,
  uint16,
  uuid,
  type Message,
} from '../../protocol/schema.js'
import { decodeKafkaMetadata } from './kafka-metadata.js'

type Bytes = Uint8Array | null

interface Pair {
  readonly key: unknown
  readonly value: unknown
}

type AnyMessage = Message<object>

interface Kind {
  readonly name: string
  readonly key: AnyMessage
  /** undefined: its values are always null. */
  readonly value: AnyMessage | undefined
}

const kind = (name: string, key: unknown, value?: unknown): Kind => ({
  name,
  key: key as AnyMessage,
  value: value as AnyMessage | undefined,
})

const OFFSETS: Readonly<Record<number, Kind>> = {
  0: kind('offset', offsetCommitKey, offsetCommitValue),
  1: kind('offset', offsetCommitKey, offsetCommitValue),
  [GROUP_METADATA_KIND]: kind('group', groupMetadataKey, groupMetadataValue),
  [CONSUMER_GROUP_KINDS.group]: kind('consumer group', groupEpochKey, groupEpochValue),
  [CONSUMER_GROUP_KINDS.partitions]: kind('group partitions', groupPartitionsKey),
  [CONSUMER_GROUP_KINDS.member]: kind('member', consumerMemberKey, consumerMemberValue),
  [CONSUMER_GROUP_KINDS.targetEpoch]: kind('target epoch', targetEpochKey, targetEpochValue),
  [CONSUMER_GROUP_KINDS.target]: kind('target', targetKey, targetValue),
  [CONSUMER_GROUP_KINDS.current]: kind('assignment', currentKey, currentValue),
  [CONSUMER_GROUP_KINDS.pattern]: kind('expression', patternKey, patternValue),
}

const TRANSACTIONS: Readonly<Record<number, Kind>> = {
  [TRANSACTION_KIND]: kind('transaction', transactionKey, transactionValue),
}

/** As Kafka's TransactionState numbers them. */
const TRANSACTION_STATES = [
  ...['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort'],
  ...['Dead', 'PrepareEpochFence'],
] as const

/** The key and the value of a record of a topic. */
function pairOf(topic: string, key: Bytes, value: Bytes): Pair | undefined {
  if (topic === '__consumer_offsets') return ofKinds(OFFSETS, key, value)
  if (topic === '__transaction_state') return ofKinds(TRANSACTIONS, key, value)
  if (topic !== '__cluster_metadata' || value === null) return undefined
  return { key: null, value: decodeKafkaMetadata(value) }
}

function ofKinds(kinds: Readonly<Record<number, Kind>>, key: Bytes, value: Bytes) {
  const number = kindOf(key)
  const found = number === undefined ? undefined : kinds[number]
  if (found === undefined || key === null) return undefined
  const named = { type: found.name, ...decodeVersioned(found.key, key) }
  if (value === null || found.value === undefined) return { key: named, value: null }
  const version = new ByteReader(value).int16()
  return { key: named, value: { version, ...told(decodeVersioned(found.value, value)) } }
}

/** What members of a classic group have said is told in words; so are states. */
function told(value: object): object {
  if ('transactionStatus' in value) {
    const { transactionStatus: state } = value as { readonly transactionStatus: number }
    return { ...value, transactionStatus: TRANSACTION_STATES[state] ?? state }
  }
  if (!('members' in value)) return value
  const { protocolType, members } = value as GroupMetadataValue
  if (protocolType !== CONSUMER_PROTOCOL) return value
  return { ...value, members: members.map(member => ({ ...member, ...plansOf(member) })) }
}

function plansOf(member: GroupMetadataValue['members'][number]): object {
  const { memberId, subscription, assignment } = member
  return {
    subscription: orBytes(subscription, () => {
      const { topics, ownedPartitions } = decodeSubscription(subscription, memberId)
      return { topics, ownedPartitions }
    }),
    assignment: orBytes(assignment, () => decodeAssignment(assignment)),
  }
}

function orBytes(given: Uint8Array, decode: () => object): unknown {
  if (given.length === 0) return null
  try {
    return decode()
  } catch {
    return given
  }
}

// ── control records ──────────────────────────────────────────────────────────────────────

const V0 = { versions: [0, 1], flexibleSince: 0 } as const
const voterId = struct({ voterId: int32, voterDirectoryId: since(1, uuid, '') })
const CONTROL: Readonly<Record<string, AnyMessage>> = {
  LEADER_CHANGE: message('LeaderChange', V0, {
    version: int16,
    leaderId: int32,
    voters: array(voterId),
    grantingVoters: array(voterId),
  }),
  SNAPSHOT_HEADER: message('SnapshotHeader', V0, {
    version: int16,
    lastContainedLogTimestamp: int64,
  }),
  SNAPSHOT_FOOTER: message('SnapshotFooter', V0, { version: int16 }),
  KRAFT_VERSION: message('KRaftVersion', V0, { version: int16, kRaftVersion: int16 }),
  KRAFT_VOTERS: message('Voters', V0, {
    version: int16,
    voters: array(
      struct({
        voterId: int32,
        voterDirectoryId: uuid,
        endpoints: array(struct({ name: string, host: string, port: uint16 })),
        kRaftVersionFeature: struct({ minSupportedVersion: int16, maxSupportedVersion: int16 }),
      }),
    ),
  }),
}

function controlOf(type: string, value: Bytes): Pair {
  const layout = CONTROL[type]
  if (value === null) return { key: { type }, value: null }
  const reader = new ByteReader(value)
  const version = reader.int16()
  if (layout === undefined) {
    const isMarker = type === 'ABORT' || type === 'COMMIT'
    const marker = { version, coordinatorEpoch: isMarker ? reader.int32() : undefined }
    return { key: { type }, value: isMarker ? marker : value }
  }
  return { key: { type }, value: read(layout, new ByteReader(value), version) }
}

// ── the details ──────────────────────────────────────────────────────────────────────────

/** The records of a batch, one detail each. */
export function recordDetails(topic: string, batch: Batch): object[] {
  if (!isReadable(batch.codec)) return []
  const details: object[] = []
  const control = batch.isControl ? controlTypeOf(batch) : undefined
  for (const cursor = new RecordCursor(batch); cursor.next();) {
    const { offset, timestamp, key, value, headers } = cursor
    const time = Number.isSafeInteger(timestamp) ? timestamp : String(cursor.exactTimestamp)
    const place = { entry: 'record', offset, timestamp: time }
    const plain = recordFields({ key, value, headers })
    const named = headers.length === 0 ? {} : { headers: plain.headers }
    const pair = decoded(() =>
      control === undefined ? pairOf(topic, key, value) : controlOf(control, value),
    )
    const own = { key: plain.key, value: plain.value }
    details.push(printable({ ...place, ...own, ...pair, ...named }) as object)
  }
  return details
}

/** A record that is not what its topic should hold is shown as it is, with the reason. */
function decoded(read: () => Pair | undefined): object | undefined {
  try {
    return read()
  } catch (error) {
    return { undecoded: (error as Error).message }
  }
}

/** Bytes as text or base64, large numbers as their digits. */
function printable(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return recordFields({ key: value, value: null, headers: [] }).key
  if (Array.isArray(value)) return value.map(printable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, printable(each)]))
}
