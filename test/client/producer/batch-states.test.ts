import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { checkStep } from '../../../src/base/states.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { Accumulator, PendingBatch } from '../../../src/client/producer/accumulator.js'
import { BATCH_STATES, type BatchState } from '../../../src/client/producer/batch-states.js'
import { BufferPool } from '../../../src/client/producer/buffer-pool.js'
import { ProducerClient } from '../../../src/client/producer/producer.js'
import { SendCall } from '../../../src/client/producer/send-call.js'
import { FakeCluster, type Fate } from '../fake-cluster.js'

const STATES = Object.keys(BATCH_STATES) as BatchState[]

/** Where a batch may go from each state. */
const WAYS: Readonly<Record<BatchState, readonly BatchState[]>> = {
  open: ['closed', 'inFlight', 'settled'],
  closed: ['inFlight', 'settled'],
  inFlight: ['waiting', 'settled'],
  waiting: ['inFlight', 'settled'],
  settled: [],
}

/** Notes the steps of every batch from now on. */
function stepsOfBatches(): Set<string> {
  const steps = new Set<string>()
  const enter = PendingBatch.prototype.enter
  const spy = vi.spyOn(PendingBatch.prototype, 'enter')
  onTestFinished(() => spy.mockRestore())
  spy.mockImplementation(function (this: PendingBatch, to: BatchState) {
    steps.add(`${this.state} → ${to}`)
    enter.call(this, to)
  })
  return steps
}

const FATES: readonly Fate[] = [
  { error: 'MESSAGE_TOO_LARGE' },
  { error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' },
  { error: 'NOT_LEADER_OR_FOLLOWER' },
  { error: 'INVALID_RECORD' },
  { appendedBut: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND' },
  { throws: 'NETWORK_EXCEPTION', isAppended: true },
  { throws: 'NETWORK_EXCEPTION' },
]

/** Sends while brokers refuse, are slow and lose answers; what was sent is in the log. */
async function walk(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const clock = new VirtualClock()
  const cluster = new FakeCluster()
  const context = { channel: cluster, clock, random, onClose: () => undefined }
  const options = { lingerMs: 20, batchSize: 400, deliveryTimeoutMs: 3_000, requestTimeoutMs: 900 }
  const producer = new ProducerClient(context, options)
  const sends: Promise<readonly string[]>[] = []
  const send = (): void => {
    const values = Array.from(
      { length: 1 + random.int(5) },
      (_, n) => `${sends.length}.${n} ${'x'.repeat(random.int(120))}`,
    )
    const messages = values.map(value => ({ value }))
    const sent = producer.send({ topic: 'orders', messages })
    sends.push(
      sent.then(
        () => values,
        () => [],
      ),
    )
  }
  for (let count = 0; count < 80; count++) {
    const dice = random.int(8)
    if (dice < 3) send()
    else if (dice === 3) cluster.fates.push(FATES[random.int(FATES.length)] as Fate)
    else if (dice === 4) cluster.isHolding = !cluster.isHolding
    else if (dice === 5) cluster.release()
    else await clock.advance(random.int(dice === 6 ? 100 : 2_000))
  }
  const closed = producer.close()
  cluster.isHolding = false
  cluster.release()
  await clock.advance(10_000)
  await closed
  const there = new Set(cluster.valuesIn('orders'))
  for (const values of await Promise.all(sends)) {
    expect(values.filter(value => !there.has(value))).toEqual([])
  }
}

function appended(accumulator: Accumulator, count: number): PendingBatch {
  const [row] = accumulator.rowsOf('orders', 1)
  const messages = Array.from({ length: count }, () => ({ value: 'x'.repeat(50) }))
  accumulator.append(new SendCall('orders', messages, () => undefined), [row!], 0, Infinity)
  return row!.batches.at(-1) as PendingBatch
}

describe("a batch's states", () => {
  const pairs = STATES.flatMap(from =>
    STATES.map(to => ({ from, to, may: WAYS[from].includes(to) ? 'may' : 'may not' })),
  )

  it.each(pairs)('a batch $may change from $from to $to', ({ from, to, may }) => {
    const step = (): void => checkStep(BATCH_STATES, from, to)
    if (may === 'may') expect(step).not.toThrow()
    else expect(step).toThrow(`${from} → ${to}`)
  })

  it('batches take all allowed steps between their states, and no others', async () => {
    const steps = stepsOfBatches()
    for (let seed = 1; seed <= 60; seed++) await walk(seed)
    const allowed = pairs.filter(({ may }) => may === 'may')
    expect([...steps].sort()).toEqual(allowed.map(({ from, to }) => `${from} → ${to}`).sort())
  })

  it('a closed batch accepts no records', () => {
    const accumulator = new Accumulator({ batchSize: 1_000, pool: new BufferPool() })
    const batch = appended(accumulator, 1)
    expect(() => batch.seal({})).toThrow('takes records')
    batch.row.send(batch)
    batch.seal({})
    const next = appended(accumulator, 1)
    expect([next === batch, next.state, batch.count]).toEqual([false, 'open', 1])
    batch.row.answered(batch)
  })

  it('only the first batch of a partition is in flight', () => {
    const accumulator = new Accumulator({ batchSize: 200, pool: new BufferPool() })
    const last = appended(accumulator, 9)
    const { row } = last
    const [first, second] = row.batches as [PendingBatch, PendingBatch]
    expect([first.state, second.state, last.state]).toEqual(['closed', 'closed', 'open'])
    expect(() => row.send(second)).toThrow('in order')
    row.send(first)
    expect(() => row.send(first)).toThrow('in order')
    expect(() => row.answered(second)).toThrow('under way')
    expect(accumulator.ready(row, 0, 0)).toBeUndefined()
  })

  it('both halves of a batch that was too large are closed', () => {
    const accumulator = new Accumulator({ batchSize: 1_000, pool: new BufferPool() })
    const batch = appended(accumulator, 3)
    const { row } = batch
    expect(() => accumulator.split(batch)).toThrow('halves')
    row.send(batch)
    batch.seal({})
    row.answered(batch)
    accumulator.split(batch)
    expect(row.batches.map(({ state, count }) => [state, count])).toEqual([
      ['closed', 2],
      ['closed', 1],
    ])
    expect(appended(accumulator, 1).count).toBe(1)
  })
})
