/**
 * What a run consists of, drawn from its seed: the cluster, its topics, the producers and groups.
 * Sizes are small and settings odd on purpose: segments of a few batches, tiny queues, short
 * time-outs. Each seed uses few of the features, so that runs differ much.
 */

import type { Random } from '../../src/base/random.js'
import type { ConsumerOptions } from '../../src/client/consumer/consumer-options.js'
import type { ProducerOptions } from '../../src/client/producer/producer-api.js'
import type { ClusterOptions } from '../../src/cluster/cluster-options.js'
import type { TopicConfigInput } from '../../src/model/topic-settings.js'
import { between, chance, pick, streamOf } from '../../src/testing/simulation/streams.js'
import { drawAdministration } from './draw-administration.js'
import { drawTopic } from './draw-topic.js'
import { drawPipeline, type PipelineShape } from './pipeline.js'

export interface TopicShape {
  readonly topic: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly config: TopicConfigInput
  readonly isCompacted: boolean
  readonly isTrimmed: boolean
  readonly allowsUnclean: boolean
  /** It is deleted and made again. */
  readonly isRemade: boolean
  /** Records are deleted only when a call asks for it. */
  readonly isRetained: boolean
  /** The lowest `min.insync.replicas` it may have. */
  readonly minInSync: number
  /** The largest batch it takes, if that never changes. */
  readonly batchBytesMax: number
}

export interface ProducerShape {
  readonly name: string
  readonly options: ProducerOptions
  readonly topics: readonly string[]
  readonly messages: number
  readonly perSend: number
  readonly inFlightMax: number
  readonly pauseMaxMs: number
  readonly keys: number
}

/** How a member reads. */
export type ReadingStyle = 'poll' | 'eachRecord' | 'eachBatch' | 'for await' | 'manual commits'

export interface MemberShape {
  readonly name: string
  readonly group: string
  readonly topics: readonly string[]
  /** It subscribes by a pattern. */
  readonly isPattern: boolean
  readonly style: ReadingStyle
  readonly options: ConsumerOptions
  /** How long a record takes. */
  readonly workMaxMs: number
  /** It leaves and comes again after so many records; 0: never. */
  readonly leavesAfter: number
  /** During faults it leaves and comes again after at most so long; 0: it stays. */
  readonly staysMaxMs: number
  /** How long it may take to give partitions back. */
  readonly revokeMaxMs: number
  /** During faults it sometimes takes longer for a record than its group waits. */
  readonly dawdles: boolean
}

/** What an administrator does. */
export type Act = 'make' | 'delete' | 'grow' | 'settings' | 'delete records' | 'elect' | 'describe'

export interface AdministratorShape {
  readonly name: string
  readonly acts: readonly Act[]
  readonly count: number
  readonly pauseMaxMs: number
  readonly topics: readonly TopicShape[]
}

export interface Shape {
  readonly cluster: ClusterOptions
  readonly topics: readonly TopicShape[]
  readonly producers: readonly ProducerShape[]
  readonly members: readonly MemberShape[]
  readonly administrators: readonly AdministratorShape[]
  readonly pipeline: PipelineShape | undefined
  /** How long faults may begin. */
  readonly faultsMs: number
  readonly faultsMax: number
  /** Between two times of faults everything comes to rest. */
  readonly hasQuietPhase: boolean
}

const STYLES: readonly ReadingStyle[] = [
  'poll',
  'eachRecord',
  'eachBatch',
  'for await',
  'manual commits',
]

/** Of 100 producers so many last as long as the faults. */
const LASTING_PERCENT = 60

export function drawShape(seed: number): Shape {
  const random = streamOf(seed, 'shape')
  const brokers = pick(random, [1, 2, 3, 3, 3, 3, 4, 5])
  const steady = Array.from({ length: between(random, 1, 3) }, (_, n) =>
    drawTopic(random, `t${n + 1}`, brokers),
  )
  const { topics, administrators } = drawAdministration(seed, steady, brokers)
  const names = topics.map(({ topic }) => topic)
  const groups = between(random, 1, 2)
  const members = Array.from({ length: groups }, (_, n) => drawGroup(random, `g${n + 1}`, names))
  const faultsMs = pick(streamOf(seed, 'length'), [10_000, 20_000, 20_000, 60_000])
  return {
    cluster: {
      brokers,
      durability: chance(random, 75) ? 'power' : 'process',
      autoCreateTopics: false,
      defaultReplicationFactor: between(random, 1, Math.min(3, brokers)),
      replicaLagTimeMaxMs: pick(random, [1_000, 5_000, 30_000]),
      brokerSessionTimeoutMs: pick(random, [2_000, 9_000]),
      leaderImbalanceCheckIntervalSeconds: pick(random, [5, 60, 300]),
      autoLeaderRebalanceEnable: chance(random, 70),
      groupInitialRebalanceDelayMs: pick(random, [0, 0, 1_000]),
      groupMinSessionTimeoutMs: 1_000,
    },
    topics,
    producers: Array.from({ length: between(random, 1, 3) }, (_, n) =>
      lasting(seed, drawProducer(random, `p${n + 1}`, names), faultsMs),
    ),
    members: members
      .flat()
      .map(member => underProtocol(seed, member))
      .map(member => administered(seed, member, administrators.length > 0))
      .map(member => withHabits(seed, member)),
    administrators,
    pipeline: drawPipeline(seed),
    faultsMs,
    faultsMax: pick(random, [0, 3, 8, 20, 20]),
    hasQuietPhase: chance(streamOf(seed, 'quiet phase'), 25),
  }
}

/** Most producers have something to send for as long as there are faults. */
function lasting(seed: number, producer: ProducerShape, faultsMs: number): ProducerShape {
  const { name, messages, perSend } = producer
  if (!chance(streamOf(seed, `lasting ${name}`), LASTING_PERCENT)) return producer
  const sends = (2 * messages) / (1 + perSend)
  return { ...producer, pauseMaxMs: Math.ceil((2 * faultsMs) / sends) }
}

function drawProducer(random: Random, name: string, topics: readonly string[]): ProducerShape {
  const acks = pick(random, ['all', 'all', 'all', 'all', 1, 0] as const)
  const isIdempotent = acks === 'all' && chance(random, 85)
  return {
    name,
    topics: pick(random, [topics, [pick(random, topics)]]),
    messages: pick(random, [5, 30, 100, 200]),
    perSend: pick(random, [1, 1, 3, 20]),
    inFlightMax: pick(random, [1, 1, 5, 20]),
    pauseMaxMs: pick(random, [0, 20, 300]),
    keys: pick(random, [0, 1, 5, 50]),
    options: {
      clientId: name,
      acks,
      enableIdempotence: isIdempotent,
      lingerMs: pick(random, [0, 0, 5, 50]),
      batchSize: pick(random, [1, 200, 16_384]),
      bufferMemory: pick(random, [20_000, 1_000_000]),
      maxRequestSize: pick(random, [10_000, 1_000_000]),
      maxBlockMs: pick(random, [5_000, 60_000]),
      requestTimeoutMs: pick(random, [500, 3_000]),
      deliveryTimeoutMs: pick(random, [4_000, 20_000, 120_000]),
      retryBackoffMs: pick(random, [10, 100]),
      compression: chance(random, 10) ? 'gzip' : 'none',
    },
  }
}

/** Of 100 groups so many have Kafka's consumer protocol (KIP-848). */
const CONSUMER_PROTOCOL_PERCENT = 25

/** In a group with the consumer protocol the coordinator assigns and sets the times. */
function underProtocol(seed: number, member: MemberShape): MemberShape {
  const random = streamOf(seed, `protocol of ${member.group}`)
  if (!chance(random, CONSUMER_PROTOCOL_PERCENT)) return member
  const { sessionTimeoutMs, heartbeatIntervalMs, partitionAssignmentStrategy, ...options } =
    member.options
  const groupRemoteAssignor = pick(random, [undefined, 'uniform', 'range'])
  return { ...member, options: { ...options, groupProtocol: 'consumer', groupRemoteAssignor } }
}

/** How a member disturbs its group. */
function withHabits(seed: number, member: MemberShape): MemberShape {
  const random = streamOf(seed, `habits of ${member.name}`)
  const { maxPollIntervalMs = Infinity } = member.options
  return {
    ...member,
    staysMaxMs: chance(random, 20) ? 8_000 : 0,
    revokeMaxMs: pick(random, [0, 0, 0, 200, 1_500]),
    dawdles: maxPollIntervalMs < 10_000 && chance(random, 40),
  }
}

/** Members hear of new partitions and topics in time; some want all topics of a pattern. */
function administered(seed: number, member: MemberShape, isAdministered: boolean): MemberShape {
  if (!isAdministered) return member
  const random = streamOf(seed, `member ${member.name}`)
  const metadataMaxAgeMs = pick(random, [500, 3_000])
  const options = { ...member.options, metadataMaxAgeMs }
  return { ...member, options, isPattern: chance(random, 40) }
}

function drawGroup(random: Random, group: string, topics: readonly string[]): MemberShape[] {
  const assignors = pick(random, [
    ['range', 'cooperative-sticky'],
    ['cooperative-sticky'],
    ['range'],
    ['roundrobin'],
    ['sticky'],
  ] as const)
  const sessionTimeoutMs = pick(random, [1_500, 6_000, 20_000])
  const isStatic = chance(random, 20)
  return Array.from({ length: between(random, 1, 3) }, (_, n) => {
    const style = pick(random, STYLES)
    const name = `${group}m${n + 1}`
    const workMaxMs = pick(random, [0, 0, 5, 50])
    const maxPollIntervalMs = pick(random, [3_000, 60_000])
    const maxPollRecords = pick(random, [1, 7, 500])
    return {
      name,
      group,
      topics,
      isPattern: false,
      staysMaxMs: 0,
      revokeMaxMs: 0,
      dawdles: false,
      style,
      workMaxMs,
      leavesAfter: chance(random, 30) ? between(random, 5, 60) : 0,
      options: {
        groupId: group,
        clientId: name,
        groupInstanceId: isStatic ? name : undefined,
        autoOffsetReset: 'earliest',
        enableAutoCommit: style !== 'manual commits',
        autoCommitIntervalMs: pick(random, [100, 1_000, 5_000]),
        sessionTimeoutMs,
        heartbeatIntervalMs: Math.floor(sessionTimeoutMs / 4),
        maxPollIntervalMs,
        partitionAssignmentStrategy: [...assignors],
        // A poll's records can be done in time: otherwise the member never gets on.
        maxPollRecords: Math.max(1, Math.min(maxPollRecords, maxPollIntervalMs / 2 / (workMaxMs + 1))) | 0,
        fetchMaxWaitMs: pick(random, [10, 500]),
        maxPartitionFetchBytes: pick(random, [100, 5_000, 786_432]),
        requestTimeoutMs: pick(random, [1_000, 5_000]),
        retryBackoffMs: pick(random, [10, 100]),
        metadataMaxAgeMs: pick(random, [1_000, 300_000]),
      },
    }
  })
}
