/**
 * The seam of the house: a typed request to a node, its response back. A client cannot tell whether
 * the node is a function call away, simulated, or behind a network.
 *
 * Messages are read-only values. A channel inside the process passes them as they are; the bytes of
 * a Produce request belong to the broker until it has answered, which may patch their offsets.
 */

import type { ApiName, Request, Response } from './api.js'

/** Where to reach some node when none is known yet. */
export const ANY_NODE = -1

export interface Channel {
  /**
   * Sends a request. A channel inside the process may answer at once. Throws or rejects with
   * NETWORK_EXCEPTION when the node cannot be reached and with CLOSED after close; errors of the
   * API itself are codes in the response. When `signal` aborts, nobody waits for the answer any
   * more: a node that holds a long poll may let go of it.
   *
   * What is not answered (Produce with acks 0) resolves without answers when it is on its way; a
   * channel inside the process may have the answer nevertheless.
   */
  send<A extends ApiName>(
    nodeId: number,
    api: A,
    request: Request<A>,
    signal?: AbortSignal,
  ): Response<A> | Promise<Response<A>>
}

/** Produce with acks 0: whoever asks is not told what becomes of it. */
export function isUnanswered(api: ApiName, request: unknown): boolean {
  return api === 'Produce' && (request as Request<'Produce'>).acks === 0
}

/** A JoinGroup may take so much longer than the rebalance that it waits for. */
const JOIN_LAPSE_MS = 5_000

/** How long to wait for an answer: what waits at the node has that time as well. */
export function patienceMs(api: ApiName, request: unknown, requestTimeoutMs: number): number {
  switch (api) {
    case 'Fetch':
      return requestTimeoutMs + (request as Request<'Fetch'>).maxWaitMs
    case 'JoinGroup': {
      const { rebalanceTimeoutMs = -1, sessionTimeoutMs } = request as Request<'JoinGroup'>
      const joiningMs = Math.max(rebalanceTimeoutMs, sessionTimeoutMs) + JOIN_LAPSE_MS
      return Math.max(requestTimeoutMs, joiningMs)
    }
    default:
      return requestTimeoutMs
  }
}
