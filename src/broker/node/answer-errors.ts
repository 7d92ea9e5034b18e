/*
 * Errors in a response: Kafka's error number, and the sentence for clients in the same process.
 */

import { errorId, toPartlogError } from '../../model/errors.js'

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
