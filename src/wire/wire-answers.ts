/**
 * Answers as clients outside of the process may hear them: errors that only partlog has go by the
 * nearest one of Kafka's, and brokers have the addresses this door gives them.
 */

import { errorId, errorOf, type ErrorCode } from '../model/errors.js'
import type { ApiName, Response } from '../protocol/api.js'
import type { Endpoint } from './addresses.js'

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

/** Copied only where something has to change: answers may hold a thousand partitions. */
function withKnownErrors<T>(value: T): T {
  if (!hasOwnError(value)) return value
  if (Array.isArray(value)) return value.map(each => withKnownErrors<unknown>(each)) as T
  const entries = Object.entries(value as object).map(([name, field]: [string, unknown]) => [
    name,
    isOwnError(name, field) ? abroad(field) : withKnownErrors(field),
  ])
  return Object.fromEntries(entries) as T
}

function hasOwnError(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasOwnError)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  for (const [name, field] of Object.entries(value)) {
    if (isOwnError(name, field) || hasOwnError(field)) return true
  }
  return false
}

function isOwnError(name: string, field: unknown): field is number {
  return name === 'errorCode' && typeof field === 'number' && field < -1
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
  if (api === 'Produce' || api === 'Fetch') {
    const named = response as { readonly nodeEndpoints?: readonly { readonly nodeId: number }[] }
    if ((named.nodeEndpoints ?? []).length === 0) return response
    return { ...named, nodeEndpoints: placed(named.nodeEndpoints ?? []) } as Response<A>
  }
  if (api === 'DescribeCluster') {
    const cluster = response as Response<'DescribeCluster'>
    const brokers = cluster.brokers.map(each => ({ ...each, ...endpointOf(each.brokerId) }))
    return { ...cluster, brokers } as Response<A>
  }
  if (api === 'FindCoordinator') {
    const found = response as Response<'FindCoordinator'>
    return { ...found, coordinators: placed(found.coordinators) } as Response<A>
  }
  return response
}
