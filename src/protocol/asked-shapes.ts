/**
 * What is asked of brokers that know older versions only, where those have another shape: one thing
 * where newer ones have a list. Clients of this process speak the newest shape; whoever stands at
 * the wire turns it into the older one, and the answer back. How older clients are answered is in
 * `old-shapes.ts`.
 */

import { errorId, PartlogError } from '../model/errors.js'
import type { ApiName, Request, Response } from './api.js'
import { MAX_TIMESTAMP } from './messages/offsets.js'

/** A request with the answer to it. */
export interface Exchange<A extends ApiName> {
  readonly request: Request<A>
  readonly response: Response<A>
}

/** Both fill in what the other shape says, and leave the rest as it is. */
interface Shape<A extends ApiName> {
  /** Versions up to this one are old. */
  readonly until: number
  readonly request?: (request: Request<A>, version: number) => Request<A>
  readonly response?: (exchange: Exchange<A>) => Response<A>
}

/** The version from which on OffsetFetch may ask for all that a group has committed. */
const ALL_OFFSETS_SINCE = 2

const SHAPES: { readonly [A in ApiName]?: Shape<A> } = {
  FindCoordinator: {
    until: 3,
    request: request => ({ ...request, key: only('FindCoordinator', request.coordinatorKeys) }),
    response: ({ request, response }) => ({
      ...response,
      coordinators: [{ ...oneCoordinator(response), key: request.coordinatorKeys[0] ?? '' }],
    }),
  },
  OffsetFetch: {
    until: 7,
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
  LeaveGroup: {
    until: 2,
    request: request => ({ ...request, memberId: only('LeaveGroup', request.members).memberId }),
    response: ({ request, response }) => ({
      ...response,
      members: request.members.map(({ memberId }) => ({ memberId, errorCode: 0 })),
    }),
  },
  DeleteTopics: {
    until: 5,
    request: request => ({ ...request, topicNames: request.topics.map(each => each.name ?? '') }),
  },
  ListOffsets: {
    // They would take it for a time in 1969.
    until: 6,
    request: request => {
      const times = request.topics.flatMap(({ partitions }) => partitions)
      const isAsked = times.some(({ timestamp }) => timestamp === MAX_TIMESTAMP)
      if (isAsked) throw tooOld('ListOffsets by the newest time: this broker does not know it')
      return request
    },
  },
  ListGroups: {
    until: 3,
    request: request => {
      const isFiltered = (request.statesFilter ?? []).length > 0
      if (isFiltered) throw tooOld('ListGroups by state: this broker lists them all')
      return request
    },
  },
  DescribeGroups: {
    // A group that is not there is dead, and that is no error yet.
    until: 5,
    response: ({ response }) => ({ ...response, groups: response.groups.map(missingIfDead) }),
  },
  Metadata: {
    // Version 0 has no null: an empty list asks for all topics.
    until: 0,
    request: request => ({ ...request, topics: request.topics ?? [] }),
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

type DescribedGroup = Response<'DescribeGroups'>['groups'][number]

function missingIfDead(group: DescribedGroup): DescribedGroup {
  if (group.errorCode !== 0 || group.groupState !== 'Dead') return group
  return { ...group, errorCode: errorId('GROUP_ID_NOT_FOUND') }
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

function shapeOf<A extends ApiName>(api: A, version: number): Shape<A> | undefined {
  const shape = SHAPES[api] as Shape<A> | undefined
  return shape === undefined || version > shape.until ? undefined : shape
}

/** A request in the shape of its version. Throws UNSUPPORTED_VERSION when that has no room. */
export function askedShape<A extends ApiName>(
  api: A,
  version: number,
  request: Request<A>,
): Request<A> {
  return shapeOf(api, version)?.request?.(request, version) ?? request
}

/** The answer to it, in its newest shape. */
export function answeredShape<A extends ApiName>(
  api: A,
  version: number,
  exchange: Exchange<A>,
): Response<A> {
  return shapeOf(api, version)?.response?.(exchange) ?? exchange.response
}
