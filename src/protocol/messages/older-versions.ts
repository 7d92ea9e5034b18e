/*
 * Converts messages between their newest version and older ones, for example a single group in
 * place of a list, or another error code. The layout says which fields exist in a version; the
 * table next to it says how to lift a value from an older version and lower it to one.
 *
 *                  we are the broker         we are the client
 *     request      lift                      lower
 *     response     lower                     lift
 *
 * Everywhere else in this process, messages have the newest shape. Lifting and lowering add the
 * fields of the other shape and leave the rest unchanged: the layout writes only the fields that
 * its version has.
 */

import { errorId, PartlogError, type ErrorCode } from '../../model/errors.js'
import type { Message } from '../schema.js'
import { withChanged } from './message-places.js'

/** A request in its newest shape, with its response. */
export interface Exchange<Q, S> {
  readonly request: Q
  readonly response: S
}

export interface Versioned<Q, S> extends Exchange<Q, S> {
  readonly version: number
}

/** The differences up to a version. A conversion that is left out changes nothing. */
export interface OlderVersion<Q, S> {
  readonly until: number
  readonly request?: {
    lift?(request: Q): Q
    /** Throws UNSUPPORTED_VERSION when the version cannot express the request. */
    lower?(request: Q, version: number): Q
  }
  readonly response?: {
    lift?(exchange: Versioned<Q, S>): S
    lower?(exchange: Versioned<Q, S>): S
  }
}

/** Newest first: lowering goes down the table, lifting goes up. */
export type OlderVersions<Q, S> = readonly OlderVersion<Q, S>[]

/** The part of an API that converting between versions needs. */
interface Api<Q, S> {
  readonly older: OlderVersions<Q, S>
}

/** Converts a request of an older client to its newest shape. */
export function liftRequest<Q, S>(api: Api<Q, S>, version: number, given: Q): Q {
  return below(api, version).reduceRight(
    (request, older) => older.request?.lift?.(request) ?? request,
    given,
  )
}

/** Converts the response for an older client to the shape of its version. */
export function lowerResponse<Q, S>(
  api: Api<Q, S>,
  version: number,
  { request, response: given }: Exchange<Q, S>,
): S {
  return below(api, version).reduce(
    (response, older) => older.response?.lower?.({ request, response, version }) ?? response,
    given,
  )
}

/** Converts a request for an older broker. Throws UNSUPPORTED_VERSION if the version lacks it. */
export function lowerRequest<Q, S>(api: Api<Q, S>, version: number, given: Q): Q {
  return below(api, version).reduce(
    (request, older) => older.request?.lower?.(request, version) ?? request,
    given,
  )
}

/** Converts the response of an older broker to its newest shape. */
export function liftResponse<Q, S>(
  api: Api<Q, S>,
  version: number,
  { request, response: given }: Exchange<Q, S>,
): S {
  return below(api, version).reduceRight(
    (response, older) => older.response?.lift?.({ request, response, version }) ?? response,
    given,
  )
}

function below<Q, S>({ older }: Api<Q, S>, version: number): OlderVersions<Q, S> {
  return older.filter(({ until }) => version <= until)
}

// ── helpers of the tables ────────────────────────────────────────────────────────────────

/** The only entry of a list, for an older version without a list. Throws UNSUPPORTED_VERSION. */
export function only<T>(what: string, list: readonly T[]): T {
  const [first] = list
  if (list.length === 1 && first !== undefined) return first
  throw tooOld(`${what} for ${list.length} at once: this broker takes one per request`)
}

export function tooOld(sentence: string): PartlogError {
  return new PartlogError('UNSUPPORTED_VERSION', sentence)
}

/** Replaces an error code that a version does not know by one that its clients handle alike. */
export function withoutError<Q, S>(
  { type }: Message<S>,
  unknown: ErrorCode,
  known: ErrorCode,
): (exchange: Exchange<Q, S>) => S {
  const [from, to] = [errorId(unknown), errorId(known)]
  return ({ response }) =>
    withChanged(type, response, 'error', (row, field) =>
      row[field] === from ? { ...row, [field]: to } : row,
    )
}

/** TRANSACTION_ABORTABLE came with KIP-890. */
export function withoutAbortable<Q, S>(response: Message<S>): (exchange: Exchange<Q, S>) => S {
  return withoutError(response, 'TRANSACTION_ABORTABLE', 'INVALID_TXN_STATE')
}
