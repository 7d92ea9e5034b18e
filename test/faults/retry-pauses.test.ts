/**
 * Whatever one kind of request is answered with, for ever and at once: clients and followers ask
 * again with pauses between. Without one the loop would take every turn of the event loop; then
 * this test does not fail, it hangs.
 */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { FaultApi, FaultErrorCode } from '../../src/cluster/faults/faults.js'
import { ERRORS } from '../../src/model/errors.js'

const APIS: readonly FaultApi[] = [
  ...(['produce', 'fetch', 'listOffsets', 'metadata', 'offsetCommit', 'offsetFetch'] as const),
  ...(['findCoordinator', 'joinGroup', 'syncGroup', 'heartbeat', 'initProducerId'] as const),
  'offsetForLeaderEpoch',
]

/** All that may be tried again, and what is said for good to members, producers and readers. */
const CODES = [
  ...Object.entries(ERRORS).flatMap(([code, row]) => (row.retriable && row.id > 0 ? [code] : [])),
  ...['UNKNOWN_SERVER_ERROR', 'OFFSET_OUT_OF_RANGE', 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'],
  ...['REBALANCE_IN_PROGRESS', 'MEMBER_ID_REQUIRED', 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
  ...['INVALID_PRODUCER_EPOCH', 'UNKNOWN_PRODUCER_ID', 'MESSAGE_TOO_LARGE', 'FENCED_INSTANCE_ID'],
] as readonly FaultErrorCode[]

const SECONDS = 4
/** Of four clients, two followers and the shortest pause, 100 ms, with room to spare. */
const REQUESTS_MAX = 8 * SECONDS * 10

/** Clients of every kind at work while all requests of a kind are answered with an error. */
async function requestsIn(
  api: FaultApi,
  code: FaultErrorCode,
  isFromStart: boolean,
): Promise<number> {
  const clock = new VirtualClock()
  const brokers = api === 'fetch' ? 2 : 1
  const cluster = await Cluster.memory({ brokers, clock, random: seededRandom(11) })
  await cluster.admin.createTopic({ topic: 't' })
  const fault = () => cluster.faults.on(api).error(code).always()
  let rule = isFromStart ? fault() : undefined
  const producer = cluster.producer({ deliveryTimeoutMs: 3_000, requestTimeoutMs: 1_000 })
  const consumer = cluster.consumer({ groupId: 'g', autoOffsetReset: 'earliest' })
  const reader = cluster.consumer({ autoOffsetReset: 'earliest' })
  const ending = new AbortController()
  const { signal } = ending
  const work = [
    consumer.subscribe(['t']).then(() => consumer.run({ eachRecord: () => undefined, signal })),
    reader
      .assign([{ topic: 't', partition: 0 }])
      .then(() => reader.run({ eachRecord: () => undefined, signal })),
  ]
  const settled = Promise.allSettled(work)
  await clock.advance(500)
  rule ??= fault()
  for (let n = 0; n < SECONDS * 4; n++) {
    producer.send({ topic: 't', messages: [{ value: `${n}` }] }).catch(() => undefined)
    await clock.advance(250)
  }
  const { count } = rule
  rule.remove()
  ending.abort()
  let isClosed = false
  const closing = Promise.allSettled([cluster.close(), settled]).then(() => (isClosed = true))
  while (!isClosed) await clock.advance(500)
  await closing
  return count
}

describe.each(APIS)('%s is asked again with a pause', api => {
  it('a request is retried with a pause, whatever error answers it', async () => {
    for (const [index, code] of CODES.entries()) {
      const count = await requestsIn(api, code, index % 2 === 0)
      expect(count, `${api} answered with ${code}`).toBeLessThanOrEqual(REQUESTS_MAX)
    }
  })
})
