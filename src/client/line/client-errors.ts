/* Turns the error codes of responses into errors. */

import { errorOf, PartlogError } from '../../model/errors.js'
import { partitionKey, type TopicPartition } from '../../model/names.js'

/** The error fields of a response. */
export interface ErrorFields {
  readonly errorCode: number
  readonly errorMessage?: string | null
}

/** The error a response's fields describe, or undefined for none. */
export function errorFrom(fields: ErrorFields, what: string): PartlogError | undefined {
  return fields.errorCode === 0 ? undefined : describedError(fields, what)
}

/** The error of a response that failed. */
export function describedError(fields: ErrorFields, what: string): PartlogError {
  return new PartlogError(errorOf(fields.errorCode), fields.errorMessage ?? what)
}

/** Throws the error a response's fields describe, if there is one. */
export function throwIfError(fields: ErrorFields, what: string): void {
  const error = errorFrom(fields, what)
  if (error !== undefined) throw error
}

/** Wraps an error that a callback of the application threw. */
export function callbackError(what: string, cause: unknown): PartlogError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new PartlogError('CALLBACK_FAILED', `${what} threw: ${reason}`, { cause })
}

export function closedError(what: string): PartlogError {
  return new PartlogError('CLOSED', `the ${what} is closed`)
}

export function noPartition({ topic, partition }: TopicPartition): PartlogError {
  return new PartlogError(
    'UNKNOWN_TOPIC_OR_PARTITION',
    `partition ${partitionKey(topic, partition)} does not exist`,
  )
}
