/** What a replay writes to, whatever it is. */

import type { StoredTopicRecord } from '../../log/inspection/partition-directory.js'
import type { Arrived } from './arrived.js'

/** Where replayed records go. */
export interface Target {
  write(record: StoredTopicRecord): Promise<void>
  /** Sends off what was collected. */
  flush(): Promise<void>
  end(): Promise<void>
  /** Nobody takes any more. */
  readonly isClosed: boolean
}

export interface OpenTarget {
  readonly target: Target
  readonly close: () => Promise<void>
  /** What has arrived where, if that is known. */
  readonly arrived?: () => readonly Arrived[]
  /** What the target could not take as it was, in sentences. */
  readonly remarks?: () => readonly string[]
  /** An error of the replay, with how to go on. */
  readonly explain?: (error: unknown) => Promise<unknown>
  /** Ends the replay after what is in hand. Without it a signal ends the process. */
  readonly ending?: AbortSignal
  /** The words that go on after an early end. */
  readonly rest?: () => string
}
