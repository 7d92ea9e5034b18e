/**
 * What the older versions of a message say in another way: one thing where newer ones have a list,
 * or another error. The layout says which fields travel in a version; the table beside it says how
 * a value is lifted from an older version and lowered to it.
 *
 *                  a client asks us          we ask a broker
 *     request      lift                      lower
 *     response     lower                     lift
 *
 * Everything in this process speaks the newest shape. Both add the fields of the other shape and
 * leave the rest as it is, since the layout writes only what its version has.
 */

import { errorId, PartlogError, type ErrorCode } from '../model/errors.js'
import { withChanged } from './message-places.js'
import type { Message } from './schema.js'

/** A request in its newest shape, with the answer to it. */
export interface Exchange<Q, S> {
  readonly request: Q
  readonly response: S
}

export interface Versioned<Q, S> extends Exchange<Q, S> {
  readonly version: number
}

/** What is different up to a version. What is left out is the same in both. */
export interface OlderVersion<Q, S> {
  readonly until: number
  readonly request?: {
    lift?(request: Q): Q
    /** Throws UNSUPPORTED_VERSION when the version cannot ask for this. */
    lower?(request: Q, version: number): Q
  }
  readonly response?: {
    lift?(exchange: Versioned<Q, S>): S
    lower?(exchange: Versioned<Q, S>): S
  }
}

/** Newest first: lowering goes down the table, lifting goes up. */
export type OlderVersions<Q, S> = readonly OlderVersion<Q, S>[]

/** An API, as far as versions are concerned. */
interface Api<Q, S> {
  readonly older: OlderVersions<Q, S>
}

/** A request of an older client, in its newest shape. */
export function liftRequest<Q, S>(api: Api<Q, S>, version: number, given: Q): Q {
  return below(api, version).reduceRight(
    (request, older) => older.request?.lift?.(request) ?? request,
    given,
  )
}

/** The answer to it, in the shape of its version. */
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

/** A request for an older broker. Throws UNSUPPORTED_VERSION when its version cannot ask for it. */
export function lowerRequest<Q, S>(api: Api<Q, S>, version: number, given: Q): Q {
  return below(api, version).reduce(
    (request, older) => older.request?.lower?.(request, version) ?? request,
    given,
  )
}

/** The answer to it, in its newest shape. */
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

// ── for the tables ───────────────────────────────────────────────────────────────────────

/** What stands alone in a list, because older versions have no list. */
export function only<T>(what: string, list: readonly T[]): T {
  const [first] = list
  if (list.length === 1 && first !== undefined) return first
  throw tooOld(`${what} for ${list.length} at once: this broker takes one after the other`)
}

export function tooOld(sentence: string): PartlogError {
  return new PartlogError('UNSUPPORTED_VERSION', sentence)
}

/** An error that a version does not know goes by the one that makes its clients do the same. */
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
