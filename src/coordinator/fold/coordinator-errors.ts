/* The errors a coordinator answers when its log could not append a record (as in Kafka). */

import { within } from '../../base/alarm.js'
import type { Clock } from '../../base/clock.js'
import { PartlogError, type ErrorCode } from '../../model/errors.js'

/** offsets.commit.timeout.ms: how long replicating a record of the coordinator's log may take. */
const COMMIT_TIMEOUT_MS = 5_000

/** An error of the log's partition means nothing to the client, so it is translated. */
const TRANSLATION: Partial<Record<ErrorCode, ErrorCode>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'COORDINATOR_NOT_AVAILABLE',
  NOT_ENOUGH_REPLICAS: 'COORDINATOR_NOT_AVAILABLE',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'COORDINATOR_NOT_AVAILABLE',
  REQUEST_TIMED_OUT: 'COORDINATOR_NOT_AVAILABLE',
  NOT_LEADER_OR_FOLLOWER: 'NOT_COORDINATOR',
  KAFKA_STORAGE_ERROR: 'NOT_COORDINATOR',
  MESSAGE_TOO_LARGE: 'UNKNOWN_SERVER_ERROR',
  RECORD_LIST_TOO_LARGE: 'UNKNOWN_SERVER_ERROR',
}

export function coordinatorError(error: PartlogError): PartlogError {
  const code = TRANSLATION[error.code]
  if (code === undefined) return error
  const { outcomeUnknown } = error
  return new PartlogError(code, error.message, { cause: error, outcomeUnknown })
}

/** Rejects with REQUEST_TIMED_OUT when a record is not committed in time: it may be later. */
export function answered<T>(run: Promise<T>, clock: Clock): Promise<T> {
  const sentence = `the coordinator's record was not replicated within ${COMMIT_TIMEOUT_MS} ms`
  return within(clock, COMMIT_TIMEOUT_MS, run, () => {
    return new PartlogError('REQUEST_TIMED_OUT', sentence, { outcomeUnknown: true })
  })
}

/** Rejects with COORDINATOR_LOAD_IN_PROGRESS while the coordinator's log is not replicated yet. */
export function loaded<T>(loading: Promise<T>, clock: Clock): Promise<T> {
  const sentence = `the coordinator was not loaded within ${COMMIT_TIMEOUT_MS} ms`
  const late = (): Error => new PartlogError('COORDINATOR_LOAD_IN_PROGRESS', sentence)
  return within(clock, COMMIT_TIMEOUT_MS, loading, late)
}
