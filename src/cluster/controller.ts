/**
 * The controller while it runs: takes decisions, has them committed and tells the brokers. A broker
 * that cannot reach it goes on with what it knew; when it has not been heard of for
 * broker.session.timeout.ms it is fenced, and others lead its partitions.
 */

import type { Clock, Timer } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { ControllerDoor } from '../broker/node/context.js'
import { Housekeeping } from '../broker/node/housekeeping.js'
import { NOTHING, type Decision, type StateMachine } from '../coordinator/fold/state-machine.js'
import { admitBroker, balanceLeaders, fenceBroker } from '../coordinator/metadata/brokers.js'
import type { ClusterImage, PartitionImage } from '../coordinator/metadata/cluster-image.js'
import { isPartlogError, PartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'

/** A broker, as the controller knows it. */
export interface ControlledBroker {
  readonly nodeId: number
  /** Does what the metadata says now. */
  applyMetadata(): Promise<void>
  /** Others have done what it says, too: who could not be followed a moment ago may lead by now. */
  retryReplication(): void
}

/** A partition's state before and after a decision. */
export interface PartitionNews extends TopicPartition {
  readonly before: PartitionImage | undefined
  readonly after: PartitionImage
}

export interface ControllerOptions {
  readonly machine: StateMachine<ClusterImage>
  readonly clock: Clock
  readonly logger: Logger
  readonly sessionTimeoutMs: number
  /** How often leaderships go back to preferred leaders; undefined: only when somebody asks. */
  readonly balanceIntervalMs: number | undefined
  readonly onNews: (news: PartitionNews) => void
}

/** How long to wait until a decision that found no room is written. */
const RETRY_MS = 1_000
/** Leaderships that move in one decision; Kafka moves up to 1,000. */
const BALANCED_AT_ONCE = 1_000

/** The decision could not be taken now, and may be later. */
function isPassing(error: unknown): boolean {
  return isPartlogError(error, 'KAFKA_STORAGE_ERROR') || isPartlogError(error, 'NETWORK_EXCEPTION')
}

interface Session {
  readonly broker: ControlledBroker
  /** What the broker knows while it cannot reach the controller. */
  frozen: ClusterImage | undefined
  expiry: Timer | undefined
}

export class Controller {
  readonly #options: ControllerOptions
  readonly #sessions = new Map<number, Session>()
  readonly #retries = new Set<Timer>()
  #housekeeping: Housekeeping | undefined
  #isTellingLater = false
  #isStopped = false

  constructor(options: ControllerOptions) {
    this.#options = options
    this.image.listen((topic, before, after) => {
      options.onNews({ topic: topic.name, partition: after.partition, before, after })
    })
  }

  get image(): ClusterImage {
    return this.#options.machine.state
  }

  /** The cluster is put together: from now on it looks after itself. */
  start(): void {
    const { clock, logger, balanceIntervalMs: intervalMs } = this.#options
    if (intervalMs === undefined) return
    const run = (signal: AbortSignal): Promise<void> => this.#balance(signal)
    const chore = { name: 'preferred leaders', initialDelayMs: intervalMs, intervalMs, run }
    this.#housekeeping = new Housekeeping(clock, logger, [chore])
  }

  async #balance(signal: AbortSignal): Promise<void> {
    let moved = BALANCED_AT_ONCE
    while (moved === BALANCED_AT_ONCE && !signal.aborted) {
      // Looked at first: a decision that changes nothing would have every broker told.
      const wanted = balanceLeaders(this.image, 1).answer
      moved = wanted && (await this.run(image => balanceLeaders(image, BALANCED_AT_ONCE)))
    }
  }

  /** Takes a decision; resolves when it is committed and every broker that can be reached acts. */
  async run<T>(decide: (image: ClusterImage) => Decision<T>): Promise<T> {
    const answer = await this.commit(decide)
    await this.tellAll()
    return answer
  }

  /**
   * Takes a decision that must be taken. If the metadata log has no room, or the controller cannot
   * be reached, this rejects, and the decision is retried in the background until it is taken.
   * `decide` looks each time whether it is still wanted.
   */
  async insist(decide: (image: ClusterImage) => Decision<void>): Promise<void> {
    try {
      await this.run(decide)
    } catch (error) {
      if (isPassing(error)) this.#after(() => this.insist(decide))
      throw error
    }
  }

  /** What is in the log counts when the disk has room for it: then all are told. */
  #tellLater(): void {
    if (this.#isTellingLater) return
    this.#isTellingLater = true
    this.#after(async () => {
      this.#isTellingLater = false
      await this.run(() => NOTHING)
    })
  }

  /** Calls `retry` after a pause; what goes wrong then is told. */
  #after(retry: () => Promise<void>): void {
    if (this.#isStopped) return
    const { clock, logger } = this.#options
    const onTime = (): void => {
      this.#retries.delete(timer)
      retry().catch((error: unknown) => logger.warn('a decision could not be taken yet', { error }))
    }
    const timer = clock.after(RETRY_MS, onTime, 'background')
    this.#retries.add(timer)
  }

  /** Nothing is tried again any more, and nothing begins by itself. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const timer of this.#retries) timer.cancel()
    this.#retries.clear()
    await this.#housekeeping?.stop()
  }

  /** Commits a decision; telling the brokers is up to the caller. */
  async commit<T>(decide: (image: ClusterImage) => Decision<T>): Promise<T> {
    try {
      return await this.#options.machine.run(decide)
    } catch (error) {
      if (isPartlogError(error, 'KAFKA_STORAGE_ERROR') && error.outcomeUnknown) this.#tellLater()
      throw error
    }
  }

  /** How a broker sees the controller. */
  doorOf(nodeId: number): ControllerDoor {
    const controller = this
    return {
      get image() {
        return controller.#sessions.get(nodeId)?.frozen ?? controller.image
      },
      run: decide => controller.#runFor(nodeId, decide),
      insist: decide => controller.#insistFor(nodeId, decide),
    }
  }

  /** A broker runs and wants to be told. */
  attach(broker: ControlledBroker): void {
    this.#sessions.set(broker.nodeId, { broker, frozen: undefined, expiry: undefined })
  }

  /** A broker does not run any more. */
  detach(nodeId: number): void {
    this.#sessions.get(nodeId)?.expiry?.cancel()
    this.#sessions.delete(nodeId)
  }

  /** The network between a broker and the controller is cut, or whole again. */
  async setReachable(nodeId: number, isReachable: boolean): Promise<void> {
    const session = this.#sessions.get(nodeId)
    if (session === undefined || isReachable === (session.frozen === undefined)) return
    if (!isReachable) return this.#cutOff(nodeId, session)
    session.frozen = undefined
    session.expiry?.cancel()
    const { brokers } = this.image
    const known = brokers.get(nodeId)
    if (known?.isFenced === true) await this.run(image => admitBroker(image, known))
    else await session.broker.applyMetadata()
  }

  #cutOff(nodeId: number, session: Session): void {
    const { clock, sessionTimeoutMs, logger } = this.#options
    session.frozen = this.image.snapshot()
    session.expiry = clock.after(sessionTimeoutMs, () => {
      const isBack = (): boolean => session.frozen === undefined
      const fenced = this.insist(image => (isBack() ? NOTHING : fenceBroker(image, nodeId)))
      fenced.catch((error: unknown) => {
        logger.error(`broker ${nodeId} could not be fenced`, { error })
      })
    })
  }

  async #insistFor(nodeId: number, decide: (image: ClusterImage) => Decision<void>): Promise<void> {
    try {
      await this.#runFor(nodeId, decide)
    } catch (error) {
      if (isPassing(error)) this.#after(() => this.#insistFor(nodeId, decide))
      throw error
    }
  }

  async #runFor<T>(nodeId: number, decide: (image: ClusterImage) => Decision<T>): Promise<T> {
    const session = this.#sessions.get(nodeId)
    if (session?.frozen !== undefined) {
      const sentence = `broker ${nodeId} cannot reach the controller`
      throw new PartlogError('NETWORK_EXCEPTION', sentence)
    }
    const answer = await this.commit(decide)
    await Promise.all([session?.broker.applyMetadata(), this.#tellOthers(nodeId)])
    this.#retryReplication()
    return answer
  }

  /** Every broker that can be reached does what the metadata says. */
  async tellAll(): Promise<void> {
    await this.#tellOthers(undefined)
    this.#retryReplication()
  }

  /** What one cannot do is its own affair: it says so in its log, and to those who ask it. */
  async #tellOthers(exceptNodeId: number | undefined): Promise<void> {
    const told = [...this.#sessions.values()]
      .filter(({ broker, frozen }) => frozen === undefined && broker.nodeId !== exceptNodeId)
      .map(({ broker }) =>
        broker.applyMetadata().catch((error: unknown) => {
          const { logger } = this.#options
          logger.warn(`broker ${broker.nodeId} did not take over the metadata`, { error })
        }),
      )
    await Promise.all(told)
  }

  #retryReplication(): void {
    for (const { broker } of this.#sessions.values()) broker.retryReplication()
  }
}
