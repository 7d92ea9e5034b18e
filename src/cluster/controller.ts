/*
 * The running controller: it makes decisions, commits them and tells the brokers. Which replica
 * leads is decided in coordinator/metadata/elections.ts. A broker that cannot reach the controller
 * continues with the metadata it knew; after
 * broker.session.timeout.ms the controller fences it, and other brokers lead its partitions.
 */

import type { Clock, Timer } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { ControllerDoor, Quorum } from '../broker/node/context.js'
import { Housekeeping } from '../broker/node/housekeeping.js'
import { NOTHING, type Decision, type StateMachine } from '../coordinator/fold/state-machine.js'
import { admitBroker, balanceLeaders, fenceBroker } from '../coordinator/metadata/brokers.js'
import type {
  ClusterImage,
  PartitionImage,
  ReplicaHealth,
} from '../coordinator/metadata/cluster-image.js'
import { isPartlogError, PartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'

/** A broker, as the controller knows it. */
export interface ControlledBroker {
  readonly nodeId: number
  /** Applies the current metadata. */
  applyMetadata(): Promise<void>
  /** Other brokers have applied the metadata too: fetches that have failed may succeed now. */
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
  /** How often leaderships return to preferred leaders; undefined: only on request. */
  readonly balanceIntervalMs: number | undefined
  readonly onNews: (news: PartitionNews) => void
  /** How far the metadata log goes. */
  readonly quorum: () => Quorum
}

/** Pause before a decision that could not be written is retried. */
const RETRY_MS = 1_000
/** Leaderships that move in one decision; Kafka moves up to 1,000. */
const BALANCED_AT_ONCE = 1_000

/** True if the decision may succeed later. */
function isTransient(error: unknown): boolean {
  return isPartlogError(error, 'KAFKA_STORAGE_ERROR') || isPartlogError(error, 'NETWORK_EXCEPTION')
}

interface Session {
  readonly broker: ControlledBroker
  /** The metadata that the broker knows while it cannot reach the controller. */
  frozen: ClusterImage | undefined
  expiry: Timer | undefined
}

export class Controller {
  readonly #options: ControllerOptions
  /** What is committed: all that brokers and programs see. Decisions see `machine.state`. */
  readonly image: ClusterImage
  readonly #sessions = new Map<number, Session>()
  readonly #retries = new Set<Timer>()
  #housekeeping: Housekeeping | undefined
  #isTellingLater = false
  #isStopped = false

  constructor(options: ControllerOptions) {
    this.#options = options
    this.image = options.machine.state.snapshot()
    options.machine.follow(record => this.image.replay(record))
    this.image.listen((topic, before, after) => {
      options.onNews({ topic: topic.name, partition: after.partition, before, after })
    })
  }

  /** Sets the function by which decisions find out which replicas can be used. */
  setReplicaHealth(isUsable: ReplicaHealth): void {
    for (const image of [this.image, this.#options.machine.state]) image.setReplicaHealth(isUsable)
  }

  /** Starts the background work; called when all brokers are attached. */
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
      // Checked first: `run` tells every broker, even if nothing changes.
      const wanted = balanceLeaders(this.image, 1).answer
      moved = wanted && (await this.run(image => balanceLeaders(image, BALANCED_AT_ONCE)))
    }
  }

  /** Makes a decision; resolves when it is committed and every reachable broker has applied it. */
  async run<T>(decide: (image: ClusterImage) => Decision<T>): Promise<T> {
    const answer = await this.commit(decide)
    await this.tellAll()
    return answer
  }

  /**
   * Makes a decision that must not be lost. If the disk is full or the controller cannot be
   * reached, this rejects, and the decision is retried in the background until it is committed.
   * `decide` checks each time whether it is still wanted.
   */
  async insist(decide: (image: ClusterImage) => Decision<void>): Promise<void> {
    try {
      await this.run(decide)
    } catch (error) {
      if (isTransient(error)) this.#after(() => this.insist(decide))
      throw error
    }
  }

  /** A record that is in the log but not durable yet counts later: all brokers get it then. */
  #tellLater(): void {
    if (this.#isTellingLater) return
    this.#isTellingLater = true
    this.#after(async () => {
      this.#isTellingLater = false
      await this.run(() => NOTHING)
    })
  }

  /** Calls `retry` after a pause; logs its failure. */
  #after(retry: () => Promise<void>): void {
    if (this.#isStopped) return
    const { clock, logger } = this.#options
    const onTime = (): void => {
      this.#retries.delete(timer)
      retry().catch((error: unknown) => logger.warn('a decision failed, will retry', { error }))
    }
    const timer = clock.after(RETRY_MS, onTime, 'background')
    this.#retries.add(timer)
  }

  /** Ends retries and background work. */
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

  /** One broker's access to the controller. */
  doorOf(nodeId: number): ControllerDoor {
    const controller = this
    return {
      get image() {
        return controller.#sessions.get(nodeId)?.frozen ?? controller.image
      },
      get quorum() {
        return controller.#options.quorum()
      },
      run: decide => controller.#runFor(nodeId, decide),
      insist: decide => controller.#insistFor(nodeId, decide),
    }
  }

  /** A broker runs: it gets all decisions from now on. */
  attach(broker: ControlledBroker): void {
    this.#sessions.set(broker.nodeId, { broker, frozen: undefined, expiry: undefined })
  }

  /** A broker does not run any more. */
  detach(nodeId: number): void {
    this.#sessions.get(nodeId)?.expiry?.cancel()
    this.#sessions.delete(nodeId)
  }

  /** The network between a broker and the controller was cut or healed. */
  async setReachable(nodeId: number, isReachable: boolean): Promise<void> {
    const session = this.#sessions.get(nodeId)
    if (session === undefined || isReachable === (session.frozen === undefined)) return
    if (!isReachable) return this.#cutOff(nodeId, session)
    session.frozen = undefined
    session.expiry?.cancel()
    const { brokers } = this.image
    const known = brokers.get(nodeId)
    if (known?.isFenced !== true) return await session.broker.applyMetadata()
    const isBack = (): boolean => session.frozen === undefined
    await this.insist(image => (isBack() ? admitBroker(image, known) : NOTHING))
  }

  #cutOff(nodeId: number, session: Session): void {
    const { clock, sessionTimeoutMs, logger } = this.#options
    session.frozen = this.image.snapshot()
    session.expiry = clock.after(sessionTimeoutMs, () => {
      const isReachable = (): boolean => session.frozen === undefined
      const fenced = this.insist(image => (isReachable() ? NOTHING : fenceBroker(image, nodeId)))
      fenced.catch((error: unknown) => {
        logger.error(`broker ${nodeId} could not be fenced`, { error })
      })
    })
  }

  async #insistFor(nodeId: number, decide: (image: ClusterImage) => Decision<void>): Promise<void> {
    try {
      await this.#runFor(nodeId, decide)
    } catch (error) {
      if (isTransient(error)) this.#after(() => this.#insistFor(nodeId, decide))
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

  /** Resolves when every reachable broker has applied the metadata. */
  async tellAll(): Promise<void> {
    await this.#tellOthers(undefined)
    this.#retryReplication()
  }

  /** A broker that fails to apply the metadata does not fail the decision: that is logged. */
  async #tellOthers(exceptNodeId: number | undefined): Promise<void> {
    const told = [...this.#sessions.values()]
      .filter(({ broker, frozen }) => frozen === undefined && broker.nodeId !== exceptNodeId)
      .map(({ broker }) =>
        broker.applyMetadata().catch((error: unknown) => {
          const { logger } = this.#options
          logger.warn(`broker ${broker.nodeId} could not apply the metadata`, { error })
        }),
      )
    await Promise.all(told)
  }

  #retryReplication(): void {
    for (const { broker } of this.#sessions.values()) broker.retryReplication()
  }
}
