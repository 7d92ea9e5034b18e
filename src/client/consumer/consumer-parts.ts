/* Creates the parts of a consumer and connects them. */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { Turns } from '../../base/turns.js'
import { toPartlogError } from '../../model/errors.js'
import { checkGroupId, type TopicPartition } from '../../model/names.js'
import type { Channel } from '../../protocol/channel.js'
import { assignorsOf } from '../group/assignor-option.js'
import { GroupClient } from '../group/group-client.js'
import { ReadingGate } from '../group/reading-gate.js'
import { partitionExists, MetadataCache } from '../line/metadata-cache.js'
import type { GroupOffset } from '../line/offset-commit.js'
import type { RetryOptions } from '../line/retry.js'
import { deserializerOf } from '../line/serdes.js'
import { AssignedPartitions } from './assigned-partitions.js'
import { Committer } from './committer.js'
import type { ConsumerSettings } from './consumer-config.js'
import { DeadLetters } from './dead-letters.js'
import { Fetcher } from './fetcher.js'
import type { PartitionState } from './partition-state.js'
import { Positions } from './positions.js'
import { RecordHandling, type Handlers } from './record-handling.js'
import { RecordReader } from './record-reader.js'
import { Subscriber } from './subscriber.js'

export interface ConsumerContext {
  readonly channel: Channel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly onClose: () => void
  /** Called when the application has processed records or asks for more. */
  readonly onProgress?: () => void
}

/** The parts that only a consumer with a groupId has. */
export interface GroupParts {
  readonly client: GroupClient
  readonly committer: Committer
  readonly subscriber: Subscriber
}

export interface ConsumerParts {
  readonly metadata: MetadataCache
  /** How calls are retried. */
  readonly retry: RetryOptions
  readonly assigned: AssignedPartitions
  readonly positions: Positions
  readonly fetcher: Fetcher
  readonly reader: RecordReader
  readonly deadLetters: DeadLetters
  readonly group: GroupParts | undefined
}

/** `closing` aborts when the consumer is being closed: from then on nothing is retried. */
export function consumerParts(
  context: ConsumerContext,
  settings: ConsumerSettings,
  closing: AbortSignal,
): ConsumerParts {
  const { channel, clock, random, logger } = context
  const { groupId, groupInstanceId = null, maxPollRecords } = settings
  if (groupId !== undefined) checkGroupId(groupId)
  const assignors = assignorsOf(settings.partitionAssignmentStrategy)
  const { metadataMaxAgeMs: maxAgeMs } = settings
  const metadata = new MetadataCache({ channel, clock, maxAgeMs, mayCreate: false })
  const assigned = new AssignedPartitions()
  const { retryBackoffMs, retryBackoffMaxMs, defaultApiTimeoutMs: timeoutMs } = settings
  const retry = { clock, random, timeoutMs, retryBackoffMs, retryBackoffMaxMs, closing }
  const owns = (partition: TopicPartition): boolean => assigned.find(partition) !== undefined
  const exists = (offset: GroupOffset): Promise<boolean> => partitionExists(metadata, offset)
  const requireStable = settings.isolationLevel === 'read_committed'
  const client =
    groupId === undefined
      ? undefined
      : new GroupClient({
          channel,
          groupId,
          groupInstanceId,
          retry,
          requireStable,
          owns,
          exists,
        })
  const positions = new Positions({ channel, metadata, settings, group: client, retry, logger })
  const common = { channel, clock, random, logger, settings, metadata }
  let subscriber: Subscriber | undefined
  const onGone = (): void => subscriber?.topicGone()
  const fetcher = fetcherOf({ ...common, onGone }, positions)
  metadata.onChanged = () => fetcher.wake()
  const states = (): Iterable<PartitionState> => assigned.states
  const gate = new ReadingGate(clock)
  if (context.onProgress !== undefined) gate.onProgress = context.onProgress
  const { clientId } = settings
  const turns = new Turns(clock)
  const deadLetters = new DeadLetters({ ...common, retry, clientId, groupId })
  const handled = { ...common, turns, fetcher, gate, deadLetters, closing, states }
  const handling = (handlers: Handlers): RecordHandling => new RecordHandling(handled, handlers)
  const reader = new RecordReader({ fetcher, clock, turns, maxPollRecords, states, gate, handling })
  const parts = { metadata, retry, assigned, positions, fetcher, reader, deadLetters }
  if (client === undefined) return { ...parts, group: undefined }
  const committer = new Committer({ ...common, group: client, states, closing, onGone })
  fetcher.onActive = () => committer.rouse()
  subscriber = new Subscriber({
    ...common,
    client,
    assignors,
    committer,
    assigned,
    positions,
    fetcher,
    gate,
    retry,
    onFailure: error => reader.fail(error),
  })
  return { ...parts, group: { client, committer, subscriber } }
}

function fetcherOf(
  common: Omit<ConsumerContext, 'onClose'> & {
    readonly settings: ConsumerSettings
    readonly metadata: MetadataCache
    readonly onGone: () => void
  },
  positions: Positions,
): Fetcher {
  const { keyDeserializer, valueDeserializer } = common.settings
  const fetcher = new Fetcher({
    ...common,
    deserializers: {
      key: deserializerOf(keyDeserializer),
      value: deserializerOf(valueDeserializer),
    },
    onTrouble: {
      async outOfRange(state, error) {
        // The new position is read at once, unless the previous one was out of range, too.
        const isAgain = state.failures > 0
        state.failures ||= 1
        await moved(state, positions.recover(state, error), isAgain)
      },
      diverged(state, end) {
        positions.diverged(state, end)
        fetcher.delay(state) // pauses before the next fetch, whatever the leader answers
      },
      recreated: state => moved(state, positions.readRecreated(state)),
      gone: common.onGone,
      lost: state => moved(state, positions.find(state)),
    },
  })
  const moved = async (
    state: PartitionState,
    change: Promise<void>,
    isAgain = false,
  ): Promise<void> => {
    await change.catch((error: unknown) => {
      state.fail(toPartlogError(error)) // otherwise every fetch would run into it again
    })
    const isLost = state.state === 'lost'
    if (isLost || isAgain) fetcher.delay(state)
    if (isLost) common.onGone()
    fetcher.moved()
  }
  return fetcher
}
