/** Requests as frames without their size: of every kind in every version, and about what is there. */

import { APIS, type ApiName, type Request } from '../../src/protocol/api.js'
import { wireApi } from '../../src/protocol/framing.js'
import { MESSAGES } from '../golden/messages.js'
import { batchOf } from '../log/helpers.js'
import { encodeRequest } from './encoded.js'

export interface Candidate {
  readonly api: ApiName
  readonly frame: Buffer
}

/** Every request in every version; their names and numbers mean nothing to a broker. */
export const REQUESTS: readonly Candidate[] = MESSAGES.flatMap(
  ({ name, version, bytes, isRefused }) => {
    const api = name.replace(/Request$/, '') as ApiName
    if (isRefused || !name.endsWith('Request') || !Object.hasOwn(APIS, api)) return []
    const { key, request } = wireApi(api)
    const header = Buffer.from([0, key, 0, version, 0, 0, 0, 1, 0, 1, 0x78])
    const tags = Buffer.alloc(version >= request.flexibleSince ? 1 : 0)
    return [{ api, frame: Buffer.concat([header, tags, bytes]) }]
  },
)

export function real<A extends ApiName>(api: A, version: number, request: Request<A>): Candidate {
  const header = { version, correlationId: 1, clientId: 'x' }
  return { api, frame: encodeRequest(wireApi(api), header, request).subarray(4) }
}

/** Requests about what is there: a few of their bytes changed, and they still mean something. */
export function realRequests(): Candidate[] {
  const wanted = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }
  const produce = {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records: batchOf(['a', 'b']) }] }],
  }
  const committed = { partitionIndex: 0, committedOffset: 0, committedMetadata: 'm' }
  const joining = {
    groupId: 'g',
    sessionTimeoutMs: 6_000,
    rebalanceTimeoutMs: 6_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: new Uint8Array(4) }],
  }
  const epochs = [{ topic: 'orders', partitions: [{ partition: 0, leaderEpoch: 0 }] }]
  const lists = [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: 0 }] }]
  return [3, 5, 9, 11]
    .map(version => real('Produce', version, produce))
    .concat(
      real('Fetch', 11, {
        maxWaitMs: 9,
        minBytes: 1,
        topics: [{ topic: 'orders', partitions: [wanted] }],
      }),
      real('ListOffsets', 5, { topics: lists }),
      real('OffsetForLeaderEpoch', 4, { topics: epochs }),
      real('OffsetCommit', 7, {
        groupId: 'g',
        topics: [{ name: 'orders', partitions: [committed] }],
      }),
      real('OffsetFetch', 8, { groups: [{ groupId: 'g', topics: null }] }),
      real('JoinGroup', 3, joining),
      real('JoinGroup', 6, joining),
      real('DescribeGroups', 5, { groups: ['g'] }),
      real('Metadata', 12, { topics: [{ name: 'orders' }] }),
      real('DescribeConfigs', 4, {
        resources: [{ resourceType: 2, resourceName: 'orders', configurationKeys: null }],
      }),
    )
}

/** Requests that make something of a number: one that is large makes a lot. */
export const MAKING: readonly ApiName[] = ['CreateTopics', 'CreatePartitions']
