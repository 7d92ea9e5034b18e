/**
 * Messages whose older versions have another shape: one thing where newer ones have a list. Nodes
 * and clients of this process speak the newest shape only; whoever stands at a wire turns older
 * ones into it and back.
 */

import type { ApiName, Request, Response } from './api.js'

interface Shape<A extends ApiName> {
  /** Versions up to this one are old. */
  readonly until: number
  readonly request: (request: Request<A>) => Request<A>
  readonly response: (response: Response<A>, request: Request<A>) => Response<A>
}

const SHAPES: { readonly [A in ApiName]?: Shape<A> } = {
  FindCoordinator: {
    until: 3,
    request: request => ({ ...request, coordinatorKeys: [request.key ?? ''] }),
    response: response => ({ ...response, ...response.coordinators[0] }),
  },
  OffsetFetch: {
    until: 7,
    request: request => {
      const { groupId = '', topics = null } = request
      return { ...request, groups: [{ groupId, topics }] }
    },
    response: response => ({ ...response, ...oneGroup(response) }),
  },
  LeaveGroup: {
    until: 2,
    request: request => ({ ...request, members: [{ memberId: request.memberId ?? '' }] }),
    response: response => ({
      ...response,
      errorCode: response.errorCode || (response.members[0]?.errorCode ?? 0),
    }),
  },
  DeleteTopics: {
    until: 5,
    request: request => ({
      ...request,
      topics: (request.topicNames ?? []).map(name => ({ name })),
    }),
    response: response => response,
  },
  Metadata: {
    // Version 0 has no null: an empty list asks for all topics.
    until: 0,
    request: request => ({ ...request, topics: request.topics?.length ? request.topics : null }),
    response: response => response,
  },
  JoinGroup: {
    // Those before KIP-394 do not come back with the id they are given.
    until: 3,
    request: request => ({ ...request, requiresMemberId: false }),
    response: response => response,
  },
}

function oneGroup({
  groups,
}: Response<'OffsetFetch'>): Pick<Response<'OffsetFetch'>, 'topics' | 'errorCode'> {
  const { topics = [], errorCode = 0 } = groups[0] ?? {}
  return { topics, errorCode }
}

/** A request in its newest shape. */
export function newShape<A extends ApiName>(
  api: A,
  version: number,
  request: Request<A>,
): Request<A> {
  const shape = SHAPES[api] as Shape<A> | undefined
  return shape === undefined || version > shape.until ? request : shape.request(request)
}

/** The answer to it, in the shape of its version. */
export function oldShape<A extends ApiName>(
  api: A,
  version: number,
  { request, response }: { readonly request: Request<A>; readonly response: Response<A> },
): Response<A> {
  const shape = SHAPES[api] as Shape<A> | undefined
  return shape === undefined || version > shape.until ? response : shape.response(response, request)
}
