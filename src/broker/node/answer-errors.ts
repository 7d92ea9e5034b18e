/**
 * Errors as they travel in a response: Kafka's number, and the sentence for clients in the process.
 */

import { errorId, PartlogError, toPartlogError } from '../../model/errors.js'

export interface ErrorFields {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export const NO_ERROR: ErrorFields = { errorCode: 0, errorMessage: null }

/** The fields that say what went wrong. */
export function errorFields(error: unknown): ErrorFields {
  const { code, message } = toPartlogError(error)
  return { errorCode: errorId(code), errorMessage: message.slice(code.length + 2) }
}

/**
 * The answer to transactional producers. Of Kafka's codes it is the one that every client takes for
 * final: any other is asked about again until its time-out.
 */
export function noTransactions(transactionalId: string): PartlogError {
  const sentence = `there are no transactions here yet: transactional id ${transactionalId}`
  return new PartlogError('TRANSACTIONAL_ID_AUTHORIZATION_FAILED', sentence)
}
