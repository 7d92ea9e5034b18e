/*
 * Errors in a response: Kafka's error number, and the sentence for clients in the same process.
 */

import { errorId, PartlogError, toPartlogError } from '../../model/errors.js'

export interface ErrorFields {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export const NO_ERROR: ErrorFields = { errorCode: 0, errorMessage: null }

/** The error fields of a response. */
export function errorFields(error: unknown): ErrorFields {
  const { code, message } = toPartlogError(error)
  return { errorCode: errorId(code), errorMessage: message.slice(code.length + 2) }
}

/**
 * The answer to transactional producers. This is the one code that every client takes for final;
 * after any other code, clients retry until their time-out.
 */
export function noTransactions(transactionalId: string): PartlogError {
  const sentence = `transactions are not supported: transactional id ${transactionalId}`
  return new PartlogError('TRANSACTIONAL_ID_AUTHORIZATION_FAILED', sentence)
}
