import { describe, expect, it } from 'vitest'
import { ByteReader, BytesError } from '../../src/base/bytes.js'
import { seededRandom, type Random } from '../../src/base/random.js'
import { virtualClock } from '../../src/base/virtual-clock.js'
import { APIS, type ApiName, type Request } from '../../src/protocol/api.js'
import { readRequestBody, readRequestHeader, wireApi } from '../../src/protocol/framing.js'
import { MESSAGES } from '../golden/messages.js'
import { batchOf } from '../log/helpers.js'
import { wireWorld } from './client.js'
import { encodeRequest } from './encoded.js'

/** Requests in every version, as frames without their size. */
interface Candidate {
  readonly api: ApiName
  readonly frame: Buffer
}

const REQUESTS: readonly Candidate[] = MESSAGES.flatMap(({ name, version, bytes, isRefused }) => {
  const api = name.replace(/Request$/, '') as ApiName
  if (isRefused || !name.endsWith('Request') || !Object.hasOwn(APIS, api)) return []
  const { key, request } = wireApi(api)
  const header = Buffer.from([0, key, 0, version, 0, 0, 0, 1, 0, 1, 0x78])
  const tags = Buffer.alloc(version >= request.flexibleSince ? 1 : 0)
  return [{ api, frame: Buffer.concat([header, tags, bytes]) }]
})

function real<A extends ApiName>(api: A, version: number, request: Request<A>): Candidate {
  const header = { version, correlationId: 1, clientId: 'x' }
  return { api, frame: encodeRequest(wireApi(api), header, request).subarray(4) }
}

/** Requests about what is there: a few of their bytes changed, and they still mean something. */
function realRequests(): Candidate[] {
  const wanted = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }
  const produce = {
    ...{ transactionalId: null, acks: -1, timeoutMs: 1_000 },
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records: batchOf(['a', 'b']) }] }],
  }
  const committed = { partitionIndex: 0, committedOffset: 0, committedMetadata: 'm' }
  const joining = {
    ...{ groupId: 'g', sessionTimeoutMs: 6_000, rebalanceTimeoutMs: 6_000, memberId: '' },
    ...{ protocolType: 'consumer', protocols: [{ name: 'range', metadata: new Uint8Array(4) }] },
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

const EXTREMES = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff]

/** The frame with a few bytes changed, cut, doubled or added. */
function mutated(frame: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(frame)
  for (let left = 1 + random.int(3); left > 0; left--) {
    const at = 4 + random.int(Math.max(1, bytes.length - 4))
    switch (random.int(6)) {
      case 0:
        bytes[at] = random.int(256)
        break
      case 1:
        bytes[at] = EXTREMES[random.int(EXTREMES.length)] as number
        break
      case 2:
        bytes = bytes.subarray(0, at)
        break
      case 3:
        bytes.subarray(at, at + 8).fill(EXTREMES[random.int(EXTREMES.length)] as number)
        break
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at - 4)])
        break
      default:
        bytes = Buffer.concat([bytes, Buffer.alloc(1 + random.int(8), random.int(256))])
    }
  }
  return bytes
}

/** Requests that make something of a number: one that is large makes a lot. */
const MAKING: readonly ApiName[] = ['CreateTopics', 'CreatePartitions']

describe('requests of which some bytes have changed', () => {
  it('mutated requests are parsed or refused, and allocate nothing they claim', () => {
    const random = seededRandom(1_000)
    let refused = 0
    const before = process.memoryUsage().heapUsed
    for (let round = 0; round < 20_000; round++) {
      const { api, frame } = REQUESTS[round % REQUESTS.length] as (typeof REQUESTS)[number]
      const reader = new ByteReader(mutated(frame, random))
      try {
        const header = readRequestHeader(reader)
        readRequestBody(wireApi(api), header, reader)
      } catch (error) {
        if (!(error instanceof BytesError)) throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(10_000)
    expect(refused).toBeLessThan(20_000)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(500_000_000)
  })

  it('mutated requests harm neither a cluster nor later clients', async () => {
    const clock = virtualClock()
    const random = seededRandom(2_000)
    const { cluster, connect } = await wireWorld({ clock, autoCreateTopics: false })
    await cluster.admin.createTopic({ topic: 'orders' })
    const made = REQUESTS.filter(({ api }) => !MAKING.includes(api))
    const realOnes = realRequests()
    let answered = 0
    for (let round = 0; round < 40; round++) {
      const ended = Array.from({ length: 50 }, async () => {
        const candidates = random.int(2) === 0 ? made : realOnes
        const { frame } = candidates[random.int(candidates.length)] as Candidate
        const body = mutated(frame, random)
        const size = Buffer.alloc(4)
        size.writeInt32BE(body.length)
        const client = connect()
        client.socket.end(Buffer.concat([size, body]))
        client.socket.on('data', () => answered++)
        await new Promise(resolve => client.socket.once('close', resolve))
      })
      // Members, fetches and whatever else waits: their time is over.
      let isOver = false
      void Promise.all(ended).then(() => (isOver = true))
      while (!isOver) await clock.advance(60_000)
    }
    expect(answered).toBeGreaterThan(100)
    expect(await cluster.admin.listTopics()).toContain('orders')
    const [place] = await cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] })
    const [end] = await cluster.admin.listOffsets('orders', 'latest')
    expect(end?.offset).toBe((place?.offset ?? 0) + 1)
  })
})
