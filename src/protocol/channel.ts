/*
 * How clients and brokers talk to a node: a typed request, and its response. A client cannot tell
 * whether the node is a function call away, simulated, or behind a network.
 *
 * Messages are read-only values. A channel inside the process passes them without copying. The
 * bytes of a Produce request belong to the broker until it has answered: it may write offsets into
 * them.
 */

import type { ApiName, Request, Response } from './api.js'

/** The node id of a request that any node can answer. */
export const ANY_NODE = -1

export interface Channel {
  /**
   * Sends a request. A channel inside the process may answer at once. Throws or rejects with
   * NETWORK_EXCEPTION when the node cannot be reached and with CLOSED after close; errors of the
   * API itself are codes in the response. When `signal` aborts, the caller no longer waits for the
   * answer: a node that holds a long poll may drop it.
   *
   * A request without an answer (Produce with acks 0) resolves with an empty response when it is
   * sent; a channel inside the process may return the real response.
   */
  send<A extends ApiName>(
    nodeId: number,
    api: A,
    request: Request<A>,
    signal?: AbortSignal,
  ): Response<A> | Promise<Response<A>>

  /**
   * The level of a feature in a remote cluster (KIP-584), 0 if it has none. Without this method the
   * cluster is in this process.
   */
  featureLevel?(feature: string): Promise<number>

  /**
   * The short way of a Produce request, for a node in this process: appends one plain batch of one
   * partition if nothing has to wait, and returns its base offset. Returns −1, and nothing has
   * changed, if the batch has to be sent.
   */
  appendNow?(nodeId: number, batch: OneBatch): number
}

/** A batch that goes the short way. The caller reuses the object and the bytes. */
export interface OneBatch {
  readonly topic: string
  readonly partition: number
  readonly records: Buffer
  /** The time, by the clock of the process. */
  readonly now: number
}

/** True for Produce with acks 0: the broker sends no response. */
export function isUnanswered(api: ApiName, request: unknown): boolean {
  return api === 'Produce' && (request as Request<'Produce'>).acks === 0
}

/** How much longer than the rebalance timeout a JoinGroup may take. */
const JOIN_LAPSE_MS = 5_000

/** How long to wait for an answer: the time a request may wait at the node is added. */
export function answerTimeoutMs(api: ApiName, request: unknown, requestTimeoutMs: number): number {
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
