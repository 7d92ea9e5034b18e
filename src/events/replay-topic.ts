/* Replays a topic of a cluster; the library's side of `partlog replay`. */

import type { KafkaCluster } from '../client/kafka-cluster.js'
import type { ConsumerRecord } from '../client/consumer/consumer-record.js'
import type { ReplayProgress } from './replay/replay-progress.js'
import { loadPart } from '../model/load-part.js'

/** Loads the code of replays when the first one begins. */
const loadReplay = () => loadPart(() => import('./replay/cluster-replay.js'))

/** Which records `cluster.replay` gives, and when. */
export interface ReplayOptions {
  /** Only records from this offset on, or not older than this time. Default: all. */
  readonly from?: number | Date | undefined
  /** Only records below this offset, or older than this time. Default: all. */
  readonly until?: number | Date | undefined
  /** Only these partitions. Default: all. */
  readonly partitions?: readonly number[] | undefined
  /** Default: 'read_committed'. */
  readonly isolationLevel?: 'read_uncommitted' | 'read_committed' | undefined
  /** An expression such as `total > 100 and key startsWith 'a'`; the command's manual has it. */
  readonly where?: string | undefined
  /** At most so many records. Default: no limit. */
  readonly limit?: number | undefined
  /** Keeps the distance of the record times, so many times faster. Default: no pauses. */
  readonly speed?: number | undefined
  /** With `speed`: the longest pause in milliseconds. Default: none. */
  readonly maxGapMs?: number | undefined
  /** Goes on with records that are written meanwhile. Default: false, it ends at the end. */
  readonly follow?: boolean | undefined
  /**
   * Called with how far the replay is, after each group of records that was read. An error that it
   * throws ends the replay. Default: not called.
   */
  readonly onProgress?: ((progress: ReplayProgress) => void) | undefined
  /** Ends the replay. */
  readonly signal?: AbortSignal | undefined
}

/** The records of a topic, in the order of their times. */
export async function* replayTopic(
  cluster: KafkaCluster,
  topic: string,
  options: ReplayOptions,
): AsyncGenerator<ConsumerRecord<Uint8Array, Uint8Array>, void> {
  const { replayFrom } = await loadReplay()
  yield* replayFrom(cluster, topic, options)
}
