/* InitProducerId: the id under which a producer numbers its batches. */

import {
  int16,
  int32,
  int64,
  message,
  nullableString,
  since,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { failure } from './message-places.js'

const RANGE = { versions: [0, 5], flexibleSince: 2 } as const

export const initProducerIdRequest = message('InitProducerIdRequest', RANGE, {
  /** null: an idempotent producer without transactions. */
  transactionalId: nullableString,
  transactionTimeoutMs: withDefault(int32, 60_000),
  /** The producer's current id; −1 for none. */
  producerId: since(3, int64, -1),
  producerEpoch: since(3, int16, -1),
})

export const initProducerIdResponse = message('InitProducerIdResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  ...failure,
  producerId: int64,
  producerEpoch: int16,
})

export type InitProducerIdRequest = ValueOf<typeof initProducerIdRequest>
export type InitProducerIdResponse = ValueOf<typeof initProducerIdResponse>
