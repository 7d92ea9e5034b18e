/**
 * Messages whose older versions have another shape: one thing where newer ones have a list. Nodes
 * and clients of this process speak the newest shape only; whoever stands at a wire turns older
 * ones into it and back.
 */

import { PartlogError } from '../model/errors.js'
import type { ApiName, Request, Response } from './api.js'

/** A request with the answer to it. */
export interface Exchange<A extends ApiName> {
  readonly request: Request<A>
  readonly response: Response<A>
}

/** `request` and `response` fill in what the other shape says, and leave the rest as it is. */
interface Turning<A extends ApiName> {
  readonly request: (request: Request<A>, version: number) => Request<A>
  readonly response: (exchange: Exchange<A>) => Response<A>
}

interface Shape<A extends ApiName> {
  /** Versions up to this one are old. */
  readonly until: number
  /** An old request comes in, its answer goes out in the old shape. */
  readonly served: Turning<A>
  /** A new request goes out in the old shape, its old answer comes in. */
  readonly asked: Turning<A>
}

/** The version from which on OffsetFetch may ask for all that a group has committed. */
const ALL_OFFSETS_SINCE = 2

function same<A extends ApiName>(): Turning<A> {
  return { request: request => request, response: ({ response }) => response }
}

const SHAPES: { readonly [A in ApiName]?: Shape<A> } = {
  FindCoordinator: {
    until: 3,
    served: {
      request: request => ({ ...request, coordinatorKeys: [request.key ?? ''] }),
      response: ({ response }) => ({ ...response, ...response.coordinators[0] }),
    },
    asked: {
      request: request => ({ ...request, key: only('FindCoordinator', request.coordinatorKeys) }),
      response: ({ request, response }) => ({
        ...response,
        coordinators: [{ ...oneCoordinator(response), key: request.coordinatorKeys[0] ?? '' }],
      }),
    },
  },
  OffsetFetch: {
    until: 7,
    served: {
      request: request => {
        const { groupId = '', topics = null } = request
        return { ...request, groups: [{ groupId, topics }] }
      },
      response: ({ response }) => ({ ...response, ...oneGroup(response) }),
    },
    asked: {
      request: (request, version) => {
        const { groupId, topics } = only('OffsetFetch', request.groups)
        if (topics === null && version < ALL_OFFSETS_SINCE) {
          throw tooOld('OffsetFetch of all offsets of a group: this broker wants their partitions')
        }
        return { ...request, groupId, topics }
      },
      response: ({ request, response }) => {
        const { topics = [], errorCode = 0 } = response
        const groupId = request.groups[0]?.groupId ?? ''
        return { ...response, groups: [{ groupId, topics, errorCode }] }
      },
    },
  },
  LeaveGroup: {
    until: 2,
    served: {
      request: request => ({ ...request, members: [{ memberId: request.memberId ?? '' }] }),
      response: ({ response }) => ({
        ...response,
        errorCode: response.errorCode || (response.members[0]?.errorCode ?? 0),
      }),
    },
    asked: {
      request: request => ({ ...request, memberId: only('LeaveGroup', request.members).memberId }),
      response: ({ request, response }) => ({
        ...response,
        members: request.members.map(({ memberId }) => ({ memberId, errorCode: 0 })),
      }),
    },
  },
  DeleteTopics: {
    until: 5,
    served: {
      ...same<'DeleteTopics'>(),
      request: request => ({
        ...request,
        topics: (request.topicNames ?? []).map(name => ({ name })),
      }),
    },
    asked: {
      ...same<'DeleteTopics'>(),
      request: request => ({ ...request, topicNames: request.topics.map(each => each.name ?? '') }),
    },
  },
  ListGroups: {
    until: 3,
    served: same(),
    asked: {
      ...same<'ListGroups'>(),
      request: request => {
        const isFiltered = (request.statesFilter ?? []).length > 0
        if (isFiltered) throw tooOld('ListGroups by state: this broker lists them all')
        return request
      },
    },
  },
  Metadata: {
    // Version 0 has no null: an empty list asks for all topics.
    until: 0,
    served: {
      ...same<'Metadata'>(),
      request: request => ({ ...request, topics: request.topics?.length ? request.topics : null }),
    },
    asked: {
      ...same<'Metadata'>(),
      request: request => ({ ...request, topics: request.topics ?? [] }),
    },
  },
  JoinGroup: {
    // Those before KIP-394 do not come back with the id they are given.
    until: 3,
    served: {
      ...same<'JoinGroup'>(),
      request: request => ({ ...request, requiresMemberId: false }),
    },
    asked: same(),
  },
}

function oneCoordinator({
  nodeId = -1,
  host = '',
  port = -1,
  errorCode = 0,
  errorMessage = null,
}: Response<'FindCoordinator'>): Omit<Response<'FindCoordinator'>['coordinators'][number], 'key'> {
  return { nodeId, host, port, errorCode, errorMessage }
}

function oneGroup({
  groups,
}: Response<'OffsetFetch'>): Pick<Response<'OffsetFetch'>, 'topics' | 'errorCode'> {
  const { topics = [], errorCode = 0 } = groups[0] ?? {}
  return { topics, errorCode }
}

/** What stands alone in a list, because older versions have no list. */
function only<T>(api: ApiName, list: readonly T[]): T {
  const [first] = list
  if (list.length === 1 && first !== undefined) return first
  throw tooOld(`${api} for ${list.length} at once: this broker takes one after the other`)
}

function tooOld(sentence: string): PartlogError {
  return new PartlogError('UNSUPPORTED_VERSION', sentence)
}

function turning<A extends ApiName>(
  api: A,
  version: number,
  way: 'served' | 'asked',
): Turning<A> | undefined {
  const shape = SHAPES[api] as Shape<A> | undefined
  return shape === undefined || version > shape.until ? undefined : shape[way]
}

// ── for those who answer ─────────────────────────────────────────────────────────────────

/** A request in its newest shape. */
export function newShape<A extends ApiName>(
  api: A,
  version: number,
  request: Request<A>,
): Request<A> {
  return turning(api, version, 'served')?.request(request, version) ?? request
}

/** The answer to it, in the shape of its version. */
export function oldShape<A extends ApiName>(
  api: A,
  version: number,
  exchange: Exchange<A>,
): Response<A> {
  return turning(api, version, 'served')?.response(exchange) ?? exchange.response
}

// ── for those who ask ────────────────────────────────────────────────────────────────────

/** A request in the shape of its version. Throws UNSUPPORTED_VERSION when that has no room. */
export function askedShape<A extends ApiName>(
  api: A,
  version: number,
  request: Request<A>,
): Request<A> {
  return turning(api, version, 'asked')?.request(request, version) ?? request
}

/** The answer to it, in its newest shape. */
export function answeredShape<A extends ApiName>(
  api: A,
  version: number,
  exchange: Exchange<A>,
): Response<A> {
  return turning(api, version, 'asked')?.response(exchange) ?? exchange.response
}
