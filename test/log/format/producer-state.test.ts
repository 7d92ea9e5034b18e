/** What a log knows of its producers, against Kafka's rules and Kafka's own snapshot files. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../src/base/checksums/crc32c.js'
import { ProducerState } from '../../../src/log/format/producer-state.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { assignOffset, Batch, batchesOf } from '../../../src/model/batch/batch.js'

const MAX = 2 ** 31 - 1
const golden = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../../golden/orders-0/${name}`, import.meta.url)))

interface Shape {
  readonly id?: number
  readonly epoch?: number
  readonly count?: number
  readonly offset?: number
  readonly time?: number
}

function batch(sequence: number, shape: Shape = {}): Batch {
  const { id = 7, epoch = 0, count = 1, offset = 0, time = 1_000 } = shape
  const builder = new BatchBuilder(Buffer.alloc(4096))
  for (let n = 0; n < count; n++) builder.tryAppend(time, null, 'v', [])
  const options = { producerId: id, producerEpoch: epoch, baseSequence: sequence }
  const built = new Batch(Buffer.from(builder.build(options)), 0)
  assignOffset(built, offset, 0)
  return built
}

/** A state that has seen these batches. */
function seen(...batches: Batch[]): ProducerState {
  const state = new ProducerState()
  for (const each of batches) state.update(each, 1_000)
  return state
}

function refusal(state: ProducerState, candidate: Batch): string {
  try {
    return state.check(candidate) === undefined ? 'taken' : 'duplicate'
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('the next batch', () => {
  it('the next batch of an unknown producer may have any sequence', () => {
    expect(refusal(new ProducerState(), batch(123))).toBe('taken')
    expect(refusal(seen(batch(0, { id: 8 })), batch(123))).toBe('taken')
  })

  it('the next sequence follows the last one, and 0 follows 2³¹ − 1', () => {
    const state = seen(batch(0, { count: 3 }))
    expect(refusal(state, batch(3))).toBe('taken')
    expect(refusal(state, batch(4))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(refusal(state, batch(2))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(refusal(state, batch(0, { count: 2 }))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(refusal(seen(batch(MAX)), batch(0))).toBe('taken')
    expect(refusal(seen(batch(MAX)), batch(1))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  })

  it('a batch may span the sequence wrap and is then known as a duplicate', () => {
    const over = batch(MAX - 1, { count: 4, offset: 10 })
    const state = seen(over)
    expect(refusal(state, batch(2))).toBe('taken')
    expect(state.check(over)).toEqual({ firstOffset: 10, lastOffset: 13, timestamp: 1_000 })
  })

  it('a batch of a new epoch begins at 0, and one of an old epoch is refused', () => {
    const state = seen(batch(0), batch(5, { epoch: 3 }))
    expect(refusal(state, batch(0, { epoch: 4 }))).toBe('taken')
    expect(refusal(state, batch(6, { epoch: 4 }))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(refusal(state, batch(1, { epoch: 2 }))).toBe('INVALID_PRODUCER_EPOCH')
    expect(refusal(state, batch(0))).toBe('INVALID_PRODUCER_EPOCH')
  })

  it('an out-of-order error names the expected sequence', () => {
    expect(() => seen(batch(0)).check(batch(7, { count: 2 }))).toThrow(
      'producer 7 in epoch 0: expected sequence 1 next, the batch has 7 to 8',
    )
  })

  it('a batch without a producer id is not checked', () => {
    const state = seen(batch(-1, { id: -1, epoch: -1 }))
    expect(refusal(state, batch(-1, { id: -1, epoch: -1 }))).toBe('taken')
    expect(state.size).toBe(0)
  })
})

describe('a duplicate', () => {
  const six = Array.from({ length: 6 }, (_, n) =>
    batch(2 * n, { count: 2, offset: 100 + 2 * n, time: 5_000 + n }),
  )

  it('the last five batches are known as duplicates; the sixth is out of order', () => {
    const state = seen(...six)
    for (const [n, twin] of six.entries()) {
      if (n === 0) expect(refusal(state, twin)).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
      else {
        const place = { firstOffset: 100 + 2 * n, lastOffset: 101 + 2 * n, timestamp: 5_000 + n }
        expect(state.check(twin)).toEqual(place)
      }
    }
  })

  it('a duplicate has the same first and last sequence, so half of a batch is none', () => {
    const state = seen(batch(0, { count: 4 }))
    expect(refusal(state, batch(0, { count: 3 }))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(refusal(state, batch(1, { count: 3 }))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(refusal(state, batch(0, { count: 4 }))).toBe('duplicate')
  })

  it('a batch is a duplicate within its epoch only', () => {
    const state = seen(batch(0), batch(0, { epoch: 1 }), batch(1, { epoch: 1 }))
    expect(refusal(state, batch(0, { epoch: 1 }))).toBe('duplicate')
    expect(refusal(state, batch(0, { epoch: 2 }))).toBe('taken')
    const longer = seen(batch(0), batch(1), batch(2), batch(0, { epoch: 1 }))
    expect(refusal(longer, batch(2, { epoch: 1 }))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  })
})

describe('producers go', () => {
  it('producers expire after being idle, by the broker’s time', () => {
    const state = new ProducerState()
    state.update(batch(0, { id: 1, time: 5 }), 1_000)
    state.update(batch(0, { id: 2, time: 5 }), 2_000)
    state.expire(1_999, 1_000)
    expect(state.size).toBe(2)
    state.expire(2_000, 1_000)
    expect(refusal(state, batch(9, { id: 1 }))).toBe('taken')
    expect(refusal(state, batch(9, { id: 2 }))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  })

  it('the producer idle longest is dropped when there are too many', () => {
    const state = new ProducerState()
    for (let id = 0; id < 10_000; id++) state.update(batch(0, { id }), 0)
    state.update(batch(1, { id: 0 }), 0)
    state.update(batch(0, { id: 10_000 }), 0)
    expect(state.size).toBe(10_000)
    expect(refusal(state, batch(9, { id: 0 }))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(refusal(state, batch(9, { id: 1 }))).toBe('taken')
    expect(refusal(state, batch(9, { id: 2 }))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  })
})

describe('snapshots', () => {
  const NAMES = [40, 81, 120, 122].map(offset => `${String(offset).padStart(20, '0')}.snapshot`)
  /** Entries in any order: Kafka's is that of a hash table. */
  const entriesOf = (bytes: Buffer): string[] =>
    Array.from({ length: (bytes.length - 10) / 46 }, (_, n) =>
      bytes.toString('hex', 10 + 46 * n, 56 + 46 * n),
    ).toSorted()

  it.each(NAMES)('the snapshot %s of Kafka is read and written', name => {
    const bytes = golden(name)
    expect(ProducerState.fromSnapshot(bytes, 0).toSnapshot().equals(bytes)).toBe(true)
  })

  it('a log of Kafka gives Kafka’s snapshots, with transactions and markers', () => {
    const state = new ProducerState()
    const logs = [0, 40, 81, 120].map(base => golden(`${String(base).padStart(20, '0')}.log`))
    const batches = logs.flatMap(bytes => [...batchesOf(bytes)])
    for (const name of NAMES) {
      const end = Number(name.slice(0, 20))
      while (batches[0] !== undefined && batches[0].baseOffset < end) {
        state.update(batches.shift() as Batch, 0)
      }
      expect(entriesOf(state.toSnapshot()), name).toEqual(entriesOf(golden(name)))
    }
    expect(batches).toEqual([])
  })

  it('a snapshot holds the last batch of each producer', () => {
    const state = seen(batch(0), batch(1, { offset: 1 }), batch(4, { id: 9, offset: 2, count: 3 }))
    const again = ProducerState.fromSnapshot(state.toSnapshot(), 0)
    expect(again.check(batch(1))).toMatchObject({ firstOffset: 1 })
    expect(again.check(batch(4, { id: 9, count: 3 }))).toMatchObject({ firstOffset: 2 })
    expect(refusal(again, batch(0))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(refusal(again, batch(2))).toBe('taken')
  })

  it("a snapshot without producers is ten bytes, as Kafka's", () => {
    expect(new ProducerState().toSnapshot().toString('hex')).toBe('000148674bc700000000')
  })

  it('a snapshot with any wrong bit or length is refused', () => {
    const bytes = seen(batch(0), batch(0, { id: 8 })).toSnapshot()
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const damaged = Buffer.from(bytes)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => ProducerState.fromSnapshot(damaged, 0), `bit ${bit}`).toThrow()
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => ProducerState.fromSnapshot(bytes.subarray(0, length), 0)).toThrow()
    }
    const longer = Buffer.concat([bytes, Buffer.alloc(1)])
    longer.writeUInt32BE(crc32c(longer, 6), 2)
    expect(() => ProducerState.fromSnapshot(longer, 0)).toThrow('2 entries do not fill 103 bytes')
  })
})
