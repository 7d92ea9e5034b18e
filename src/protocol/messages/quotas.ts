/* DescribeClientQuotas and AlterClientQuotas: limits by user, client id and address (KIP-546). */

import {
  array,
  bool,
  float64,
  int32,
  int8,
  message,
  nullableArray,
  nullableString,
  string,
  struct,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage } from './message-places.js'

const RANGE = { versions: [0, 1], flexibleSince: 1 } as const

/** DescribeClientQuotasRequest's match types. */
export const QUOTA_MATCH = { exact: 0, default: 1, specified: 2 } as const

/** Whom a quota is for; the name null means all that have no quota of their own. */
const entity = array(struct({ entityType: string, entityName: nullableString }))

export const describeClientQuotasRequest = message('DescribeClientQuotasRequest', RANGE, {
  components: array(struct({ entityType: string, matchType: int8, match: nullableString })),
  /** Only entities that have no other parts than those asked for. */
  strict: bool,
})

export const describeClientQuotasResponse = message('DescribeClientQuotasResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  errorCode,
  errorMessage,
  entries: nullableArray(
    struct({ entity, values: array(struct({ key: string, value: float64 })) }),
  ),
})

export const alterClientQuotasRequest = message('AlterClientQuotasRequest', RANGE, {
  entries: array(
    struct({ entity, ops: array(struct({ key: string, value: float64, remove: bool })) }),
  ),
  validateOnly: bool,
})

export const alterClientQuotasResponse = message('AlterClientQuotasResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  entries: array(struct({ errorCode, errorMessage, entity })),
})

export type DescribeClientQuotasRequest = ValueOf<typeof describeClientQuotasRequest>
export type DescribeClientQuotasResponse = ValueOf<typeof describeClientQuotasResponse>
export type AlterClientQuotasRequest = ValueOf<typeof alterClientQuotasRequest>
export type AlterClientQuotasResponse = ValueOf<typeof alterClientQuotasResponse>
