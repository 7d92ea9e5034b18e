/* The options that all clients share. */

import {
  INT_MAX,
  integer,
  option,
  type OptionTable,
  type OptionValues,
  readOptions,
} from '../../base/options.js'
import { checkedConfig } from '../../model/errors.js'

/** How long clients wait for an answer, by default. */
export const REQUEST_TIMEOUT_MS = 30_000

/** How long an answer and a call with all its retries may take, and the pauses between retries. */
export const RETRY_OPTIONS = {
  requestTimeoutMs: option(integer(1, INT_MAX), REQUEST_TIMEOUT_MS),
  defaultApiTimeoutMs: option(integer(1, INT_MAX), 60_000),
  retryBackoffMs: option(integer(0), 100),
  retryBackoffMaxMs: option(integer(0), 1_000),
} satisfies OptionTable

/** Checks the user's options and fills in the defaults. Throws INVALID_CONFIG. */
export function clientSettings<T extends OptionTable>(
  table: T,
  input: unknown,
  what: string,
): OptionValues<T> {
  return checkedConfig(() => readOptions(table, input, what))
}
