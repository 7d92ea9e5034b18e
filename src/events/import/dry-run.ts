/* What an import would do, without a cluster: the first records, and where all of them would go. */

import type { Message } from '../../client/producer/messages.js'
import { partitionOfKey } from '../../model/hashes.js'
import { BadEvent } from '../formats/event-units.js'
import type { PreparedImport } from './import-parts.js'
import type { BadUnit } from './import-run.js'

/** A message with the partition that it would go to. */
export interface PlannedMessage {
  readonly message: Message
  readonly partition: number
}

export interface DryRun {
  readonly first: readonly PlannedMessage[]
  readonly records: number
  readonly keyless: number
  /** How many records each partition would get. */
  readonly partitions: readonly number[]
  readonly badEvents: ReadonlyMap<string, number>
}

export interface DryRunOptions {
  /** How many partitions the topic has, or would have. */
  readonly partitions: number
  /** How many of the first records to keep. */
  readonly shown: number
  readonly onBadEvent: (bad: BadUnit) => void
}

export async function dryRun(prepared: PreparedImport, options: DryRunOptions): Promise<DryRun> {
  const { batches, settings } = prepared
  const first: PlannedMessage[] = []
  const counts: number[] = Array.from({ length: options.partitions }, () => 0)
  const badEvents = new Map<string, number>()
  let keyless = 0
  let records = 0
  for await (const batch of batches) {
    batch.outcomes.forEach((outcome, index) => {
      if (outcome instanceof BadEvent) {
        badEvents.set(outcome.kind, (badEvents.get(outcome.kind) ?? 0) + 1)
        const unit = batch.unitOf(index)
        const bytes = unit instanceof BadEvent ? undefined : unit
        options.onBadEvent({ place: batch.placeOf(index), bad: outcome, bytes })
      } else if (outcome !== undefined) {
        const partition = partitionFor(outcome, records, options.partitions)
        counts[partition] = (counts[partition] ?? 0) + 1
        if (first.length < options.shown) first.push({ message: outcome, partition })
        if (settings.key !== undefined && (outcome.key ?? null) === null) keyless++
        records++
      }
    })
  }
  return { first, records, keyless, partitions: Array.from(counts, count => count ?? 0), badEvents }
}

/** Records without a key take the partitions in turns. */
function partitionFor(
  { key = null, partition }: Message,
  record: number,
  partitions: number,
): number {
  if (partition !== undefined) return partition
  if (key === null) return record % partitions
  return partitionOfKey(typeof key === 'string' ? Buffer.from(key) : key, partitions)
}
