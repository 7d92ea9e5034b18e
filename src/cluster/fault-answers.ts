/**
 * What an error looks like in the answer to each request: where Kafka has an error per partition or
 * topic, those that a fault names fail and the rest of the request is handled as ever.
 */

import type { ErrorFields } from '../broker/node/answer-errors.js'
import { errorOf, PartlogError } from '../model/errors.js'
import type { ApiName, Request, Response } from '../protocol/api.js'

/** The topics and partitions a fault is about; what is left out stands for all. */
export interface Target {
  readonly topic?: string | undefined
  readonly partition?: number | undefined
}

/** A request of which some fails: what is left of it, and how the answers come together again. */
export interface Split<A extends ApiName> {
  /** For the broker; undefined when nothing is left to be handled. */
  readonly rest: Request<A> | undefined
  /** The whole answer, out of the broker's answer to the rest. */
  answer(handled: Response<A> | undefined): Response<A>
}

/** A request, and how it can fail. */
interface Shape<A extends ApiName> {
  /** The finest thing it names. */
  readonly names: Naming
  concerns(request: Request<A>, target: Target): boolean
  split(request: Request<A>, target: Target, error: ErrorFields): Split<A>
}

type Naming = 'nothing' | 'topics' | 'partitions'

/** What a request of this kind can be told by. */
export function namingOf(api: ApiName): Naming {
  return SHAPES[api].names
}

/** Does the request name anything of the target? One without topic and partition is everything. */
export function concerns<A extends ApiName>(api: A, request: Request<A>, target: Target): boolean {
  if (target.topic === undefined && target.partition === undefined) return true
  return shapeOf(api).concerns(request, target)
}

/**
 * Takes what shall fail out of a request. Its `answer` throws the error when the request names
 * nothing that could carry it.
 */
export function splitRequest<A extends ApiName>(
  api: A,
  request: Request<A>,
  { target, error }: { readonly target: Target; readonly error: ErrorFields },
): Split<A> {
  return shapeOf(api).split(request, target, error)
}

function shapeOf<A extends ApiName>(api: A): Shape<A> {
  return SHAPES[api] as Shape<A>
}

// ── kinds of requests ────────────────────────────────────────────────────────────────────

/* Messages differ in the names of their fields only, so the kinds below take the names and read a
   message as rows of fields. */
type Row = Readonly<Record<string, unknown>>

const rowsOf = (row: Row | undefined, field: string): readonly Row[] =>
  (row?.[field] ?? []) as readonly Row[]

function isTarget({ topic, partition }: Target, name: unknown, index?: unknown): boolean {
  return (topic === undefined || topic === name) && (partition === undefined || partition === index)
}

/** The fields of a message that lists topics. */
interface TopicFields {
  readonly list: string
  readonly name: string
}

/** The fields of a message that lists topics and their partitions. */
interface PartitionFields extends TopicFields {
  readonly parts: string
  readonly index: string
}

interface PartitionShape {
  readonly asked: PartitionFields
  readonly answered: PartitionFields
  /** Fields of an answer that failed, besides its error. */
  readonly failed?: Row
  /** Fields of the request that change when some of it fails. */
  readonly rest?: Row
}

/** Requests with an answer for each partition. */
function perPartition<A extends ApiName>(shape: PartitionShape): Shape<A> {
  const { asked, answered, rest } = shape
  const partsOf = (topic: Row): readonly Row[] => rowsOf(topic, asked.parts)
  const isHit = (target: Target, topic: Row, part: Row): boolean =>
    isTarget(target, topic[asked.name], part[asked.index])
  return {
    names: 'partitions',
    concerns: (request, target) =>
      rowsOf(request as Row, asked.list).some(topic =>
        partsOf(topic).some(part => isHit(target, topic, part)),
      ),
    split(request, target, error) {
      const topics = rowsOf(request as Row, asked.list)
      const kept = topics
        .map(topic => {
          const parts = partsOf(topic).filter(part => !isHit(target, topic, part))
          return { ...topic, [asked.parts]: parts }
        })
        .filter(topic => partsOf(topic).length > 0)
      const answerTo = (handled: Row | undefined, topic: Row): Row => {
        const found = rowsOf(handled, answered.list).find(
          answer => answer[answered.name] === topic[asked.name],
        )
        const parts = partsOf(topic).flatMap(part => {
          const index = part[asked.index]
          if (isHit(target, topic, part)) {
            return [{ [answered.index]: index, ...shape.failed, ...error }]
          }
          return rowsOf(found, answered.parts).filter(answer => answer[answered.index] === index)
        })
        return { [answered.name]: topic[asked.name], ...found, [answered.parts]: parts }
      }
      return {
        rest: kept.length === 0 ? undefined : asRequest(request, { ...rest, [asked.list]: kept }),
        answer(handled) {
          if (topics.every(topic => partsOf(topic).length === 0)) throw nothingToFail(error)
          const answers = topics.map(topic => answerTo(handled, topic))
          return { ...handled, [answered.list]: answers } as unknown as Response<A>
        },
      }
    },
  }
}

interface TopicShape {
  readonly asked: TopicFields
  readonly answered: TopicFields
  /** Fields of an answer that failed, besides its error. */
  readonly failed?: (asked: Row) => Row
  /** The answer says more than what was asked for each topic: the broker is always asked. */
  readonly isAlwaysHandled?: boolean
}

/** Requests with an answer for each topic. */
function perTopic<A extends ApiName>(shape: TopicShape): Shape<A> {
  const { asked, answered, failed, isAlwaysHandled = false } = shape
  return {
    names: 'topics',
    concerns(request, target) {
      const given = request as Row
      // null asks for all topics.
      if (given[asked.list] === null) return target.partition === undefined
      return rowsOf(given, asked.list).some(topic => isTarget(target, topic[asked.name]))
    },
    split(request, target, error) {
      const given = request as Row
      if (given[asked.list] === null) {
        return { rest: request, answer: handled => spoilt(handled as Row, target, error) }
      }
      const topics = rowsOf(given, asked.list)
      const kept = topics.filter(topic => !isTarget(target, topic[asked.name]))
      const isHandled = isAlwaysHandled || kept.length > 0
      return {
        rest: isHandled ? asRequest(request, { [asked.list]: kept }) : undefined,
        answer(handled) {
          if (topics.length === 0) throw nothingToFail(error)
          const given = rowsOf(handled as Row | undefined, answered.list)
          const answers = topics.flatMap(topic => {
            const name = topic[asked.name]
            if (!isTarget(target, name)) return given.filter(each => each[answered.name] === name)
            return [{ [answered.name]: name, ...failed?.(topic), ...error }]
          })
          return { ...handled, [answered.list]: answers } as unknown as Response<A>
        },
      }
    },
  }

  function spoilt(handled: Row, target: Target, error: ErrorFields): Response<A> {
    const answers = rowsOf(handled, answered.list).map(answer =>
      isTarget(target, answer[answered.name])
        ? { ...answer, ...failed?.(answer), ...error }
        : answer,
    )
    return { ...handled, [answered.list]: answers } as unknown as Response<A>
  }
}

/** Requests that fail as a whole. */
function whole<A extends ApiName>(
  answer: (error: ErrorFields, request: Request<A>) => Response<A>,
): Shape<A> {
  return {
    names: 'nothing',
    concerns: () => false,
    split: (request, _target, error) => ({ rest: undefined, answer: () => answer(error, request) }),
  }
}

function asRequest<A extends ApiName>(request: Request<A>, changes: Row): Request<A> {
  return { ...request, ...changes } as Request<A>
}

function nothingToFail({ errorCode, errorMessage }: ErrorFields): PartlogError {
  return new PartlogError(errorOf(errorCode), errorMessage ?? 'the request failed')
}

// ── the requests ─────────────────────────────────────────────────────────────────────────

const OFFSETS = { list: 'topics', name: 'name', parts: 'partitions', index: 'partitionIndex' }
const EPOCHS = { list: 'topics', name: 'topic', parts: 'partitions', index: 'partition' }
const TOPICS = { list: 'topics', name: 'name' }
const RESOURCES = { list: 'resources', name: 'resourceName' }

const ALTERED: TopicShape = {
  asked: RESOURCES,
  answered: { list: 'responses', name: 'resourceName' },
  failed: ({ resourceType }) => ({ resourceType }),
}

const SHAPES: { readonly [A in ApiName]: Shape<A> } = {
  Produce: perPartition({
    asked: { list: 'topicData', name: 'name', parts: 'partitionData', index: 'index' },
    answered: { list: 'responses', name: 'name', parts: 'partitionResponses', index: 'index' },
    failed: { baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 },
  }),
  Fetch: perPartition({
    asked: { list: 'topics', name: 'topic', parts: 'partitions', index: 'partition' },
    answered: { list: 'responses', name: 'topic', parts: 'partitions', index: 'partitionIndex' },
    failed: { highWatermark: -1, records: null },
    // An error is answered at once: nobody waits for records of the other partitions.
    rest: { maxWaitMs: 0 },
  }),
  ListOffsets: perPartition({ asked: OFFSETS, answered: OFFSETS }),
  OffsetCommit: perPartition({ asked: OFFSETS, answered: OFFSETS }),
  DeleteRecords: perPartition({
    asked: OFFSETS,
    answered: OFFSETS,
    failed: { lowWatermark: -1 },
  }),
  OffsetForLeaderEpoch: perPartition({ asked: EPOCHS, answered: EPOCHS }),
  Metadata: perTopic({
    asked: TOPICS,
    answered: TOPICS,
    failed: () => ({ partitions: [] }),
    isAlwaysHandled: true,
  }),
  CreateTopics: perTopic({ asked: TOPICS, answered: TOPICS }),
  DeleteTopics: perTopic({
    asked: TOPICS,
    answered: { list: 'responses', name: 'name' },
    failed: ({ topicId }) => ({ topicId }),
  }),
  CreatePartitions: perTopic({ asked: TOPICS, answered: { list: 'results', name: 'name' } }),
  DescribeConfigs: perTopic({
    asked: RESOURCES,
    answered: { list: 'results', name: 'resourceName' },
    failed: ({ resourceType }) => ({ resourceType, configs: [] }),
  }),
  AlterConfigs: perTopic(ALTERED),
  IncrementalAlterConfigs: perTopic(ALTERED),
  OffsetFetch: whole((error, { groups }) => ({
    groups: groups.map(({ groupId }) => ({ groupId, topics: [], ...error })),
  })),
  FindCoordinator: whole((error, { coordinatorKeys }) => ({
    coordinators: coordinatorKeys.map(key => ({ key, nodeId: -1, host: '', port: -1, ...error })),
  })),
  JoinGroup: whole(error => ({
    ...error,
    protocolName: null,
    leader: '',
    memberId: '',
    members: [],
  })),
  LeaveGroup: whole(error => ({ ...error, members: [] })),
  SyncGroup: whole(error => ({ ...error, assignment: new Uint8Array(0) })),
  Heartbeat: whole(error => error),
  DescribeGroups: whole((error, { groups }) => ({
    groups: groups.map(groupId => ({
      ...error,
      ...{ groupId, groupState: '', protocolType: '', protocolData: '', members: [] },
    })),
  })),
  DeleteGroups: whole((error, { groupsNames }) => ({
    results: groupsNames.map(groupId => ({ groupId, ...error })),
  })),
  OffsetDelete: whole(error => ({ ...error, topics: [] })),
  InitProducerId: whole(({ errorCode }) => ({
    errorCode,
    producerId: -1,
    producerEpoch: -1,
  })),
  ElectLeaders: whole(({ errorCode }) => ({ errorCode, replicaElectionResults: [] })),
  DescribeCluster: whole(error => ({ ...error, clusterId: '', brokers: [] })),
  ListGroups: whole(({ errorCode }) => ({ errorCode, groups: [] })),
}
