/*
 * Adapts answers for clients outside the process: an error code that only partlog has becomes the
 * nearest one of Kafka's, and brokers get the addresses at which the client reaches them.
 */

import { errorId, errorOf, type ErrorCode } from '../model/errors.js'
import type { ApiName, Response } from '../protocol/api.js'
import { wireApi } from '../protocol/framing.js'
import { withChanged } from '../protocol/messages/message-places.js'
import type { Endpoint } from './addresses.js'

/** The address at which a client reaches a broker. */
export type EndpointOf = (nodeId: number) => Endpoint

/** Kafka's lowest code; partlog's own codes are below, and no other client knows them. */
const UNKNOWN_SERVER_ERROR = errorId('UNKNOWN_SERVER_ERROR')

const ABROAD: Partial<Record<ErrorCode, ErrorCode>> = {
  INVALID_ARGUMENT: 'INVALID_REQUEST',
  READ_ONLY: 'POLICY_VIOLATION',
  CORRUPT_LOG: 'KAFKA_STORAGE_ERROR',
  LOG_OFFLINE: 'KAFKA_STORAGE_ERROR',
}

export function answerAbroad<A extends ApiName>(
  api: A,
  response: Response<A>,
  endpointOf: EndpointOf,
): Response<A> {
  const { type } = wireApi(api).response
  const known = withChanged(type, response, 'error', (row, field) => {
    const code = row[field] as number
    return code < UNKNOWN_SERVER_ERROR ? { ...row, [field]: abroad(code) } : row
  })
  return withChanged(type, known, 'node', (row, field) => {
    const nodeId = row[field] as number
    return nodeId < 0 ? row : { ...row, ...endpointOf(nodeId) }
  })
}

function abroad(code: number): number {
  return errorId(ABROAD[errorOf(code)] ?? 'UNKNOWN_SERVER_ERROR')
}
