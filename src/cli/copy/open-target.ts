/* What a replay writes to: standard output, a file or a topic. */

import type { StoredTopicRecord } from '../../log/inspection/stored-row.js'
import type { Arrived } from './arrived.js'

/** Where replayed records go. */
export interface Target {
  write(record: StoredTopicRecord): Promise<void>
  /** Writes records, or the first of them if the reader goes away. */
  writeAll(records: readonly StoredTopicRecord[]): Promise<void>
  /** Writes what is buffered. */
  flush(): Promise<void>
  end(): Promise<void>
  /** The reader is gone: more records need not be written. */
  readonly isClosed: boolean
}

export interface OpenTarget {
  readonly target: Target
  readonly close: () => Promise<void>
  /** The ranges that were copied, if the target is a topic. */
  readonly arrived?: () => readonly Arrived[]
  /** Sentences about values that the target cannot represent. */
  readonly remarks?: () => readonly string[]
  /** Adds to an error of the replay how to continue. */
  readonly explain?: (error: unknown) => Promise<unknown>
  /** Ends the replay in order. Without it a signal kills the process. */
  readonly ending?: AbortSignal
  /** Carries over the offsets of groups, after all records; false if some were refused. */
  readonly carryGroups?: () => Promise<boolean>
  /** The options that continue after an early end. */
  readonly rest?: () => string
}
