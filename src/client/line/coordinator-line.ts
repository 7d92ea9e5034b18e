/*
 * Sends requests to the coordinator of one group or transactional id: finds the coordinator, and
 * finds it again when it has moved or cannot be reached. The caller decides how often to retry (see
 * `withRetries`).
 */

import { PartlogError, toPartlogError } from '../../model/errors.js'
import type { ApiName, Request, Response } from '../../protocol/api.js'
import { ANY_NODE, type Channel } from '../../protocol/channel.js'
import { GROUP_KEY } from '../../protocol/messages/groups.js'
import { errorFrom, throwIfError, type ErrorFields } from './client-errors.js'

const COORDINATOR_MOVED = new Set(['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE'])

export class CoordinatorLine {
  readonly #channel: Channel
  #coordinator: number | undefined

  constructor(
    channel: Channel,
    readonly groupId: string,
    readonly keyType = GROUP_KEY,
  ) {
    this.#channel = channel
  }

  /** The broker that was asked last; undefined when the coordinator must be found first. */
  get coordinator(): number | undefined {
    return this.#coordinator
  }

  /**
   * Sends a request to the coordinator and finds the coordinator first if it is unknown. Requests
   * made without awaiting each other are sent in order.
   */
  async ask<A extends ApiName>(
    api: A,
    request: Request<A>,
    signal?: AbortSignal,
  ): Promise<Response<A>> {
    this.#coordinator ??= await this.#findCoordinator()
    try {
      return await this.#channel.send(this.#coordinator, api, request, signal)
    } catch (error) {
      if (signal?.aborted !== true) this.#coordinator = undefined
      throw toPartlogError(error)
    }
  }

  /** Throws the error of an answer, and forgets the coordinator if the error says it has moved. */
  check(answer: ErrorFields, what: string): void {
    const error = errorFrom(answer, what)
    if (error === undefined) return
    if (COORDINATOR_MOVED.has(error.code)) this.#coordinator = undefined
    throw error
  }

  async #findCoordinator(): Promise<number> {
    const { groupId, keyType } = this
    const what = keyType === GROUP_KEY ? `group ${groupId}` : `transactional id "${groupId}"`
    const { coordinators } = await this.#channel.send(ANY_NODE, 'FindCoordinator', {
      keyType,
      coordinatorKeys: [groupId],
    })
    const found = coordinators.find(({ key }) => key === groupId)
    if (found === undefined) {
      throw new PartlogError('COORDINATOR_NOT_AVAILABLE', `${what} has no coordinator`)
    }
    throwIfError(found, `the coordinator of ${what}`)
    return found.nodeId
  }
}
