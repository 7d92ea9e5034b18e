/** Error codes of responses back into errors. */

import { errorOf, PartlogError } from '../model/errors.js'

/** The error a response's fields describe, or undefined for none. */
export function errorFrom(
  fields: { readonly errorCode: number; readonly errorMessage?: string | null },
  what: string,
): PartlogError | undefined {
  if (fields.errorCode === 0) return undefined
  return new PartlogError(errorOf(fields.errorCode), fields.errorMessage ?? what)
}

/** Throws the error a response's fields describe, if there is one. */
export function throwIfError(
  fields: { readonly errorCode: number; readonly errorMessage?: string | null },
  what: string,
): void {
  const error = errorFrom(fields, what)
  if (error !== undefined) throw error
}

export function closedError(what: string): PartlogError {
  return new PartlogError('CLOSED', `the ${what} is closed`)
}
