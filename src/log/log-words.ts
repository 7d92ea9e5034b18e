/** The words between a log and those around it: what it is made of, what it answers and tells. */

import type { PartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import type { Offset, Timestamp } from '../model/units.js'
import type { LeaderEpochs } from './leader-epochs.js'
import type { Producers } from './producers.js'
import type { SegmentListContext } from './segment-list.js'
import type { Segment } from './segment.js'

export interface LogContext extends SegmentListContext {
  readonly topicPartition: TopicPartition
  /** What a compaction may take for its keys; see OFFSET_MAP_BYTES_MAX. */
  readonly offsetMapBytes?: number
  /** Writes recovery point and log start of all logs as they are. Durable when it resolves. */
  saveCheckpoints(): Promise<void>
}

export interface LogState {
  readonly segments: readonly Segment[]
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly recoveryPoint: Offset
  /** Compaction goes on here. */
  readonly firstDirtyOffset: Offset
  readonly epochs: LeaderEpochs
  readonly producers: Producers
}

export interface Appended {
  readonly firstOffset: Offset
  readonly lastOffset: Offset
  /** The broker's time when the topic uses it, else −1. */
  readonly logAppendTime: Timestamp
}

/** What the log tells the one who runs it. */
export interface LogListener {
  /** Everything below is durable now. */
  onDurable(durableEndOffset: Offset): void
  /** What was appended cannot be made durable until the disk has room again. */
  onStalled(error: PartlogError): void
  /** The log has gone offline. */
  onOffline(error: PartlogError): void
  /** A segment was closed and synced, or the log start moved: worth a checkpoint. */
  onCheckpointable(): void
}
