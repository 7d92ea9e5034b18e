/**
 * Answers as clients outside of the process may hear them: errors that only partlog has go by the
 * nearest one of Kafka's, and brokers have the addresses this door gives them.
 */

import { errorId, errorOf, type ErrorCode } from '../model/errors.js'
import type { ApiName, Response } from '../protocol/api.js'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** As clients take it. */
export function addressOf({ host, port }: Endpoint): string {
  return `${host}:${port}`
}

/** Where a client of this door reaches a broker. */
export type EndpointOf = (nodeId: number) => Endpoint

/** partlog's own codes have numbers that no client knows. */
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
  return withEndpoints(api, withKnownErrors(response), endpointOf)
}

function withKnownErrors<T>(value: T): T {
  if (Array.isArray(value)) return value.map(each => withKnownErrors<unknown>(each)) as T
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  const entries = Object.entries(value).map(([name, field]: [string, unknown]) => {
    const isOwn = name === 'errorCode' && typeof field === 'number' && field < -1
    return [name, isOwn ? abroad(field) : withKnownErrors(field)]
  })
  return Object.fromEntries(entries) as T
}

function abroad(code: number): number {
  return errorId(ABROAD[errorOf(code)] ?? 'UNKNOWN_SERVER_ERROR')
}

function withEndpoints<A extends ApiName>(
  api: A,
  response: Response<A>,
  endpointOf: EndpointOf,
): Response<A> {
  const placed = <T extends { readonly nodeId: number }>(nodes: readonly T[]): T[] =>
    nodes.map(node => (node.nodeId < 0 ? node : { ...node, ...endpointOf(node.nodeId) }))
  if (api === 'Metadata') {
    const metadata = response as Response<'Metadata'>
    return { ...metadata, brokers: placed(metadata.brokers) } as Response<A>
  }
  if (api === 'FindCoordinator') {
    const found = response as Response<'FindCoordinator'>
    return { ...found, coordinators: placed(found.coordinators) } as Response<A>
  }
  return response
}
