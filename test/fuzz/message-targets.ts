/** Every message in every version, both ways; records and blobs that are messages, too. */

import { ByteReader } from '../../src/base/bytes.js'
import { readGroupRecord, restoredMembership } from '../../src/coordinator/groups/group-journal.js'
import { KeptGroups } from '../../src/coordinator/groups/kept-groups.js'
import { ClusterImage, journalRecord } from '../../src/coordinator/metadata/cluster-image.js'
import { APIS, type ApiName } from '../../src/protocol/api.js'
import { ASSIGNORS } from '../../src/protocol/assignors/assignors.js'
import {
  encodeCooperativeUserData,
  encodeStickyUserData,
} from '../../src/protocol/assignors/sticky-user-data.js'
import { wireApi } from '../../src/protocol/framing.js'
import {
  apiVersionsRequest,
  apiVersionsResponse,
} from '../../src/protocol/messages/api-versions.js'
import {
  decodeAssignment,
  decodeSubscribedTopics,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../src/protocol/messages/consumer-protocol.js'
import {
  encodeVersioned,
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
} from '../../src/protocol/messages/group-records.js'
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
} from '../../src/protocol/messages/metadata-records.js'
import {
  liftRequest,
  liftResponse,
  lowerRequest,
  lowerResponse,
} from '../../src/protocol/messages/older-versions.js'
import { encode, read, type Message } from '../../src/protocol/schema.js'
import { MESSAGES } from '../golden/messages.js'
import { must, mustEqual, shown, typedOr, type Target } from './target.js'

// ── messages ─────────────────────────────────────────────────────────────────────────────

interface Layout {
  readonly api: ApiName | undefined
  readonly isRequest: boolean
  readonly layout: Message<unknown>
}

const LAYOUTS: readonly Layout[] = [
  { api: undefined, isRequest: true, layout: apiVersionsRequest as Message<unknown> },
  { api: undefined, isRequest: false, layout: apiVersionsResponse as Message<unknown> },
  ...Object.entries(APIS).flatMap(([name, { request, response }]) => {
    const api = name as ApiName
    const layouts = [request, response] as unknown as readonly Message<unknown>[]
    return layouts.map((layout, index) => ({ api, isRequest: index === 0, layout }))
  }),
]

/** An input of a message: which one, in which version, and its bytes. */
const HEAD_BYTES = 2

function messageSeeds(isRequest: boolean): Buffer[] {
  return MESSAGES.flatMap(({ name, version, bytes }) => {
    const index = LAYOUTS.findIndex(({ layout }) => layout.name === name)
    if (index < 0 || LAYOUTS[index]?.isRequest !== isRequest) return []
    return [Buffer.concat([Buffer.from([index, version]), bytes])]
  })
}

function message(bytes: Buffer, isRequest: boolean): boolean {
  const found = LAYOUTS[bytes[0] ?? 0]
  if (bytes.length < HEAD_BYTES || found === undefined) return false
  if (found.isRequest !== isRequest) return false
  const [min, max] = found.layout.versions
  const version = min + ((bytes[1] as number) % (max - min + 1))
  const reader = new ByteReader(bytes, HEAD_BYTES)
  if (isRequest) reader.limitCounts(100_000) // as server-connection.ts does
  const value = read(found.layout, reader, version)
  const once = encode(found.layout, value, version)
  const again = read(found.layout, new ByteReader(once), version)
  must(shown(value) === shown(again), `${found.layout.name} v${version} decodes as it was encoded`)
  mustEqual(once, encode(found.layout, again, version), 'the canonical form encodes to itself')
  if (found.api !== undefined) converted(found.api, version, { value, isRequest })
  return true
}

/** Lifting and lowering never fail in an unexpected way, and the result can be encoded. */
function converted(
  name: ApiName,
  version: number,
  { value, isRequest }: { readonly value: unknown; readonly isRequest: boolean },
): void {
  const api = wireApi(name)
  try {
    if (isRequest) {
      const lifted = liftRequest(api, version, value as never)
      encode(api.request, lowerRequest(api, version, lifted), version)
      return
    }
    const response = value as never
    const exchange = { request: emptyRequest(name) as never, response }
    const lifted = liftResponse(api, version, exchange)
    const lowered = lowerResponse(api, version, { ...exchange, response: lifted as never })
    encode(api.response, lowered, version)
  } catch (error) {
    if (!typedOr()(error as Error)) throw error
  }
}

function emptyRequest(name: ApiName): unknown {
  return wireApi(name).request.type.none
}

// ── records of the coordinators ──────────────────────────────────────────────────────────

/** Two parts, each behind its length in one byte or three: key and value, or several records. */
export function parted(...parts: readonly (Uint8Array | null)[]): Buffer {
  return Buffer.concat(
    parts.flatMap(part => {
      const { length = 0xffff } = part ?? {}
      return [Buffer.from([length >> 8, length & 255]), part ?? Buffer.alloc(0)]
    }),
  )
}

export function partsOf(bytes: Buffer): (Buffer | null)[] {
  const parts: (Buffer | null)[] = []
  for (let at = 0; at + 2 <= bytes.length;) {
    const length = bytes.readUInt16BE(at)
    at += 2
    if (length === 0xffff) {
      parts.push(null)
      continue
    }
    parts.push(bytes.subarray(at, at + length))
    at += length
  }
  return parts
}

const member = {
  memberId: 'm',
  groupInstanceId: 'i',
  clientId: 'c',
  clientHost: 'h',
  rebalanceTimeout: 5_000,
  sessionTimeout: 6_000,
  subscription: subscriptionBytes(),
  assignment: encodeAssignment([{ topic: 'orders', partition: 0 }]),
}
const generation = {
  protocolType: 'consumer',
  generation: 3,
  protocol: 'range',
  leader: 'm',
  currentStateTimestamp: 1,
  members: [member, { ...member, memberId: 'n' }],
}
const commit = { offset: 5, leaderEpoch: 1, metadata: 'm', commitTimestamp: 9, expireTimestamp: 10 }

function groupSeeds(): Buffer[] {
  const place = { group: 'g', topic: 'orders', partition: 0 }
  const offsetKeys = [0, 1].map(kind => encodeVersioned(offsetCommitKey, place, kind))
  const groupKey = encodeVersioned(groupMetadataKey, { group: 'g' }, 2)
  return [
    ...[0, 1, 2, 3, 4].map(version =>
      parted(offsetKeys[version % 2]!, encodeVersioned(offsetCommitValue, commit, version)),
    ),
    ...[0, 1, 2, 3, 4].map(version =>
      parted(groupKey, encodeVersioned(groupMetadataValue, generation, version)),
    ),
    parted(offsetKeys[1]!, null),
    parted(groupKey, null),
    parted(null, Buffer.from('x')),
  ]
}

/** Records are folded; a group of what is kept can be taken up again. */
function groupRecords(bytes: Buffer): boolean {
  const parts = partsOf(bytes)
  const groups = new KeptGroups()
  let accepted = false
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const record = { key: parts[at] as Buffer | null, value: parts[at + 1] as Buffer | null }
    const found = readGroupRecord(record)
    groups.replay(record)
    if (found === undefined) continue
    accepted = true
    if (found.kind !== 'generation') continue
    const membership = restoredMembership(found.groupId, found.value, 0)
    must(membership.generation === found.value.generation, 'the generation is restored')
  }
  return accepted
}

const UUID = 'ASNFZ4mrze8RIjNEVWZ3iA'

function metadataSeeds(): Buffer[] {
  const partition = { partitionId: 0, topicId: UUID, replicas: [1, 2], isr: [1], leader: 1 }
  const broker = { brokerId: 1, brokerEpoch: 1 }
  const config = { kind: 'Config', resourceType: 2, resourceName: 'orders' } as const
  const endPoints = [{ name: 'a', host: 'h', port: 1, securityProtocol: 0 }]
  const records: MetadataRecord[] = [
    { kind: 'Topic', name: 'orders', topicId: UUID },
    { kind: 'Partition', ...partition, leaderEpoch: 0, partitionEpoch: 0 },
    { kind: 'PartitionChange', partitionId: 0, topicId: UUID, isr: [1, 2], leader: 2 },
    { ...config, name: 'cleanup.policy', value: 'compact' },
    { ...config, name: 'retention.ms', value: null },
    { kind: 'RegisterBroker', ...broker, rack: 'a', endPoints },
    { kind: 'BrokerRegistrationChange', ...broker, fenced: -1 },
    { kind: 'ProducerIds', ...broker, nextProducerId: 1_000 },
    { kind: 'RemoveTopic', topicId: UUID },
  ]
  const bytes = records.map(record => journalRecord(record).value as Uint8Array)
  return [...bytes.map(each => parted(each)), parted(...bytes)]
}

function metadataRecords(bytes: Buffer): boolean {
  const image = new ClusterImage()
  let accepted = false
  for (const part of partsOf(bytes)) {
    image.replay({ key: null, value: part })
    const record = part === null ? undefined : decodeMetadataRecord(part)
    if (record === undefined) continue
    accepted = true
    const once = encodeMetadataRecord(record)
    const again = encodeMetadataRecord(decodeMetadataRecord(once) as typeof record)
    mustEqual(once, again, 'the canonical form encodes to itself')
  }
  for (const topic of image.snapshot().topics.values()) void topic.wasCompacted
  return accepted
}

// ── blobs between consumers ──────────────────────────────────────────────────────────────

function subscriptionBytes(userData?: Uint8Array): Buffer {
  const owned = [{ topic: 'orders', partition: 0 }, { topic: 'other', partition: 3 }]
  const topics = ['orders', 'other']
  const more = userData === undefined ? {} : { userData }
  return encodeSubscription({ topics, ownedPartitions: owned, generationId: 4, rackId: 'a', ...more })
}

const TOPICS = new Map([
  ['orders', { partitions: 6, racks: [['a'], ['b'], ['a', 'b'], [], ['a'], ['b']] }],
  ['other', { partitions: 4 }],
])

/** The leader assigns by what members say; other assignments come from another leader. */
function subscriptions(bytes: Buffer): boolean {
  const parts = partsOf(bytes).filter(part => part !== null)
  let refused: Error | undefined
  const members = parts.slice(0, 6).flatMap((part, index) => {
    try {
      void decodeSubscribedTopics(part)
      const found = decodeSubscription(part, `m${index}`, index % 2 === 0 ? `i${index}` : undefined)
      const once = encodeSubscription(found)
      const again = encodeSubscription(decodeSubscription(once, 'm'))
      mustEqual(once, again, 'the canonical form encodes to itself')
      return [found]
    } catch (error) {
      refused = error as Error
      return []
    }
  })
  if (refused !== undefined && !typedOr()(refused)) throw refused
  for (const assignor of Object.values(ASSIGNORS)) {
    const given = assignor.assign({ topics: TOPICS, members })
    const all = [...given.values()].flat().map(({ topic, partition }) => `${topic}-${partition}`)
    must(new Set(all).size === all.length, `${assignor.name} gives no partition twice`)
    must(given.size === members.length, `${assignor.name} gives each member a list`)
    for (const { topic, partition } of [...given.values()].flat()) {
      const isThere = partition >= 0 && partition < (TOPICS.get(topic)?.partitions ?? 0)
      must(isThere, `${assignor.name} gives ${topic}-${partition}, which does not exist`)
    }
    const wanted = members.flatMap(each => each.topics)
    const count = [...TOPICS].reduce(
      (sum, [name, { partitions }]) => sum + (wanted.includes(name) ? partitions : 0),
      0,
    )
    // A cooperative assignor waits for what other members own.
    if (assignor.protocol === 'eager') must(all.length === count, `${assignor.name} gives all`)
  }
  return members.length > 0
}

function assignment(bytes: Buffer): boolean {
  const { partitions, userData } = decodeAssignment(bytes)
  const once = encodeAssignment(partitions, userData)
  const found = decodeAssignment(once)
  mustEqual(once, encodeAssignment(found.partitions, found.userData), 'canonical form')
  must(shown(partitions.length) === shown(found.partitions.length), 'no partition is lost')
  return true
}

const BYTES = typedOr('BytesError')

export const MESSAGE_TARGETS: readonly Target[] = [
  {
    name: 'requests',
    seeds: () => messageSeeds(true),
    run: bytes => message(bytes, true),
    refuses: BYTES,
    inputs: 40_000,
  },
  {
    name: 'responses',
    seeds: () => messageSeeds(false),
    run: bytes => message(bytes, false),
    refuses: BYTES,
    inputs: 40_000,
  },
  {
    name: 'group-records',
    seeds: groupSeeds,
    run: groupRecords,
    refuses: BYTES,
    inputs: 15_000,
  },
  {
    name: 'metadata-records',
    seeds: metadataSeeds,
    run: metadataRecords,
    refuses: BYTES,
    inputs: 15_000,
  },
  {
    name: 'subscriptions',
    seeds: () => [
      parted(subscriptionBytes()),
      parted(subscriptionBytes(encodeCooperativeUserData(4)), subscriptionBytes()),
      parted(
        ...[3, 4, 4].map(generationId =>
          subscriptionBytes(
            encodeStickyUserData({ generationId, partitions: [{ topic: 'orders', partition: 1 }] }),
          ),
        ),
      ),
    ],
    run: subscriptions,
    refuses: BYTES,
    words: ['orders', 'other', '__proto__', 'constructor'],
    inputs: 8_000,
  },
  {
    name: 'assignment',
    seeds: () => [
      encodeAssignment([{ topic: 'orders', partition: 0 }, { topic: 'other', partition: 1 }]),
      encodeAssignment([], Buffer.from('data')),
      Buffer.alloc(0),
    ],
    run: assignment,
    refuses: BYTES,
    inputs: 10_000,
  },
]
