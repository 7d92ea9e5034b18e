/*
 * The high watermarks in a data folder's replication-offset-checkpoint, and what the file says of
 * each partition. Consumers may read up to them right after a restart.
 */

import type { SerialQueue } from '../base/tasks.js'
import { partitionKey, partitionName, type TopicPartition } from '../model/names.js'
import type { Offset } from '../model/units.js'
import type { PartitionOffset } from './format/checkpoints.js'
import type { CheckpointFiles } from './checkpoint-files.js'

export class StoredWatermarks {
  /** As the file has them; also those of logs that were deleted since it was written. */
  readonly #offsets: Map<string, Offset>
  readonly #files: CheckpointFiles
  readonly #writes: SerialQueue

  constructor(stored: ReadonlyMap<string, Offset>, files: CheckpointFiles, writes: SerialQueue) {
    this.#offsets = new Map(stored)
    this.#files = files
    this.#writes = writes
  }

  of({ topic, partition }: TopicPartition): Offset {
    return this.#offsets.get(partitionKey(topic, partition)) ?? 0
  }

  /** Replaces the file. Lines of logs that do not exist any more are forgotten with it. */
  async write(lines: readonly PartitionOffset[], exists: (key: string) => boolean): Promise<void> {
    await this.#writes.run(async () => {
      await this.#files.write({ highWatermarks: lines })
      for (const key of this.#offsets.keys()) if (!exists(key)) this.#offsets.delete(key)
      for (const line of lines) {
        this.#offsets.set(partitionName(line), line.offset)
      }
    })
  }

  /** The high watermark of an older log with that name must not apply to the new one. */
  async forget(partition: TopicPartition): Promise<void> {
    if (!this.#offsets.delete(partitionName(partition))) return
    await this.write([...this.#offsets].map(lineOf), () => true)
  }
}

/** `a-b-7` is partition 7 of `a-b`. */
function lineOf([key, offset]: readonly [string, Offset]): PartitionOffset {
  const dash = key.lastIndexOf('-')
  return { topic: key.slice(0, dash), partition: Number(key.slice(dash + 1)), offset }
}
