/*
 * The brokers of a folder that is only read.
 *
 *   nobody owns the folder       its logs are opened as the next owner would, in memory: all that
 *                                survived the last one is shown
 *   an owner is alive, or comes  its logs are followed (follow/), as far as it calls them committed
 *   an owner ends, or dies       what was shown stays: the next owner keeps all of it
 *   another owner has opened     its logs are opened anew and followed
 *
 * Whoever reads keeps its consumers: they meet brokers that are gone for a moment, and go on.
 */

import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { ClusterImage } from '../coordinator/metadata/cluster-image.js'
import { isLocked } from '../disk/lock.js'
import { PartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import type { BrokerSet } from './broker-set.js'
import { FollowedSet, type FollowedSetOptions } from './follow/followed-set.js'
import { ProgressReader, type Progress } from './follow/progress-reader.js'
import type { Network } from './network/network.js'
import { copyStateOf, type BrokerNode, type CopyState, type Nodes, type Opened } from './nodes.js'

export interface ReadingSetOptions {
  readonly dir: string
  readonly clock: Clock
  readonly logger: Logger
  readonly network: Network
  /** Opens the logs of a folder that nobody owns. */
  readonly openUnowned: () => Promise<BrokerSet>
  readonly following: FollowedSetOptions
}

/** Between two tries to open logs that could not be opened. */
const OPEN_RETRY_MS = 500

type Picture = BrokerSet | FollowedSet

export class ReadingSet implements Nodes {
  readonly #options: ReadingSetOptions
  readonly #reader: ProgressReader
  #picture: Picture
  /** What the owner of the picture says; if nobody owns the folder: what the last one has said. */
  #progress: Progress | undefined
  #looking: Promise<void> | undefined
  #hasNews = false
  /** The picture may lack something: it is made anew. */
  #isDoubted = false
  #retriedAtMs = -Infinity
  #isClosed = false

  private constructor(
    options: ReadingSetOptions,
    reader: (onNews: () => void) => ProgressReader,
    [picture, progress]: readonly [Picture, Progress | undefined],
  ) {
    this.#options = options
    this.#picture = picture
    this.#progress = progress
    this.#reader = reader(() => this.#look())
  }

  static async open(options: ReadingSetOptions): Promise<ReadingSet> {
    const { dir, clock, openUnowned, following } = options
    let onNews = (): void => undefined
    const reader = new ProgressReader({ dir, clock, onNews: () => onNews() })
    const progress = reader.read()
    const isOwned = progress?.header.state === 'open' && isLocked(dir)
    const picture = isOwned ? await FollowedSet.open(following, progress) : await openUnowned()
    if (picture instanceof FollowedSet) picture.attach()
    const set = new ReadingSet(
      options,
      listener => {
        onNews = listener
        return reader
      },
      [picture, progress],
    )
    reader.start()
    if (isOwned) reader.follow()
    set.#look() // the owner may have said more meanwhile
    return set
  }

  // ── following ──────────────────────────────────────────────────────────────────────────

  /** Looks at what the owner says; once more if there is news meanwhile. */
  #look(): void {
    this.#hasNews = true
    if (this.#isClosed) return
    this.#looking ??= this.#lookOn().finally(() => {
      this.#looking = undefined
      if (this.#hasNews && !this.#isDoubted) this.#look() // it came at the last moment
    })
  }

  async #lookOn(): Promise<void> {
    while (this.#hasNews && !this.#isClosed) {
      this.#hasNews = false
      try {
        await this.#follow()
      } catch (error) {
        const { logger } = this.#options
        logger.warn('the owner of the folder cannot be followed, will retry', { error })
        // Everything is looked at again with the next news, which come within a second.
        this.#isDoubted = true
        this.#reader.forget()
        return
      }
    }
  }

  async #follow(): Promise<void> {
    const picture = this.#picture
    const progress = this.#reader.read()
    if (progress !== undefined && this.#isOfAnother(progress)) {
      if (progress.header.state !== 'opening') await this.#change(progress)
    } else if (picture instanceof FollowedSet) {
      if (progress !== undefined) await picture.follow(progress)
      await this.#retry(picture)
    }
  }

  async #retry(picture: FollowedSet): Promise<void> {
    const now = this.#options.clock.monotonicMs()
    if (!picture.isIncomplete || now - this.#retriedAtMs < OPEN_RETRY_MS) return
    this.#retriedAtMs = now
    await picture.retry()
  }

  /** Another owner has opened the folder. */
  async #change(progress: Progress): Promise<void> {
    const picture = this.#picture
    const next = await FollowedSet.open(this.#options.following, progress)
    if (this.#isClosed) return await next.close()
    await (picture instanceof FollowedSet ? picture.close() : picture.abandon())
    this.#picture = next
    this.#progress = progress
    this.#isDoubted = false
    next.attach()
    this.#reader.follow()
    this.#options.following.onNews()
  }

  /** What is said is not by the owner that the picture is of. */
  #isOfAnother({ header, changed }: Progress): boolean {
    const known = this.#progress?.header
    if (this.#isDoubted) return true
    if (known?.generation !== header.generation) return true
    // Nobody seemed to own the folder, but somebody writes: it is out of sight.
    return !(this.#picture instanceof FollowedSet) && changed.length > 0
  }

  // ── the brokers ────────────────────────────────────────────────────────────────────────

  get controller(): { readonly image: ClusterImage } {
    const picture = this.#picture
    return { image: picture instanceof FollowedSet ? picture.image : picture.controller.image }
  }

  get brokerIds(): readonly number[] {
    return this.#picture.brokerIds
  }

  get running(): Iterable<BrokerNode> {
    return this.#picture.running
  }

  get opened(): Opened {
    const picture = this.#picture
    if (!(picture instanceof FollowedSet)) return picture.opened
    return { wasClosedCleanly: true, findings: picture.findings }
  }

  broker(nodeId: number): BrokerNode | undefined {
    return this.#picture.broker(nodeId)
  }

  copyOf(nodeId: number, place: TopicPartition): CopyState {
    const picture = this.#picture
    if (!(picture instanceof FollowedSet)) return picture.copyOf(nodeId, place)
    const found = picture.broker(nodeId)?.replicas.find(place.topic, place.partition)
    if (found !== undefined) return copyStateOf(found)
    const { topicId = '' } = picture.image.topics.get(place.topic) ?? {}
    const said = picture.copyOf(topicId, place.partition, nodeId)
    if (said === undefined || picture.broker(nodeId) === undefined) return copyStateOf(undefined)
    const { role: state, logStartOffset, highWatermark, logEndOffset } = said
    return { state, logStartOffset, highWatermark, logEndOffset }
  }

  /** The brokers of a folder that is read do not come and go by calls of this process. */
  listen(): void {}

  async onNetworkChanged(): Promise<void> {
    if (!(this.#picture instanceof FollowedSet)) await this.#picture.onNetworkChanged()
  }

  kill(): Promise<void> {
    return refuse('kill')
  }

  stop(): Promise<void> {
    return refuse('stop')
  }

  start(): Promise<void> {
    return refuse('start')
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#reader.close()
    await this.#looking
    this.#options.network.close()
    await this.#picture.close()
  }
}

async function refuse(what: string): Promise<never> {
  const sentence = `to ${what} a broker is not possible: the folder is open for reading only`
  throw new PartlogError('READ_ONLY', sentence)
}
