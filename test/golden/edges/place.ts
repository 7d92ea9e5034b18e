/** Where the edges are: what is asked there, and names that belong to nothing. */

import type { ApiName, Request, Response } from '../../../src/protocol/api.js'
import { wireApi } from '../../../src/protocol/framing.js'

/** Asks a broker; `title` says what is special about it. */
export type Ask = <A extends ApiName>(
  title: string,
  api: A,
  version: number,
  request: Request<A>,
) => Promise<Response<A>>

export interface Place {
  readonly ask: Ask
  /** As `ask`, on a connection of its own: what waits there holds up nothing here. */
  readonly other: Ask
  /** Asks until that is the error. */
  readonly until: <A extends ApiName>(
    errorCode: number,
    api: A,
    version: number,
    request: Request<A>,
  ) => Promise<void>
  /** Waits until a topic is there, or is not. */
  readonly settled: (topic: string, isThere: boolean) => Promise<string>
  readonly now: number
}

export const NO_TOPIC = 'nowhere'
export const UNKNOWN_ID = 'AAAAAAAAQACAAAAAAAAABw'

/** The last versions that name topics: `ids.ts` asks the newer ones. */
const NAMED: { readonly [A in ApiName]?: number } = { Produce: 12, OffsetCommit: 9 }

/** The oldest and the newest version of an API that names topics. */
export function ends(name: ApiName): number[] {
  const [oldest, newest] = wireApi(name).request.versions
  return [...new Set([oldest, NAMED[name] ?? newest])]
}

/** What a consumer of orders says that it reads: version 0, no user data. */
export const SUBSCRIPTION = Buffer.from('00000000000100066f7264657273ffffffff', 'hex')

export type Join = Request<'JoinGroup'>

/** A newcomer's request. */
export function joining(groupId: string, more: Partial<Join> = {}): Join {
  return {
    groupId,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: SUBSCRIPTION }],
    ...more,
  }
}
