import { describe, expect, it } from 'vitest'
import { Lanes, RECORD_BYTES_MAX, type SourceRecord } from '../../../src/cli/copy/lanes.js'
import type { RecordMetadata } from '../../../src/client/producer/messages.js'
import type { SendRequest } from '../../../src/client/producer/producer-api.js'
import { recordSizeMax } from '../../../src/model/batch/record-writer.js'
import { PartlogError } from '../../../src/model/errors.js'

interface Sent {
  readonly partition: number | undefined
  readonly values: number
  readonly times: readonly unknown[]
  readonly answer: () => Promise<void>
  readonly refuse: () => Promise<void>
}

const turn = () => new Promise(setImmediate)

/** A producer whose sends are answered when the test says so. */
function world(keepPartitions = true) {
  const sent: Sent[] = []
  const ends = new Map<number, number>()
  const send = ({ topic, messages }: SendRequest): Promise<RecordMetadata[]> =>
    new Promise((resolve, reject) => {
      const partition = messages[0]?.partition
      const at = ends.get(partition ?? 0) ?? 100
      ends.set(partition ?? 0, at + messages.length)
      const places = messages.map((_, n) => {
        return { topic, partition: partition ?? n % 2, offset: at + n, timestamp: 0 }
      })
      sent.push({
        partition,
        values: messages.length,
        times: messages.map(({ timestamp }) => timestamp),
        answer: async () => (resolve(places), await turn()),
        refuse: async () => (reject(new PartlogError('POLICY_VIOLATION', 'no')), await turn()),
      })
    })
  const lanes = new Lanes({ producer: { send }, topic: 'copy', keepPartitions })
  return { lanes, sent }
}

const record = (partition: number, offset: number, size = 1): SourceRecord => ({
  partition,
  offset,
  timestamp: 0,
  key: null,
  headers: [],
  value: new Uint8Array(size),
})

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false
  const note = (): void => void (isSettled = true)
  promise.then(note, note)
  await turn()
  return !isSettled
}

describe('lanes', () => {
  it('lanes send each partition separately and know what is acknowledged', async () => {
    const { lanes, sent } = world()
    for (const [partition, offset] of [
      [1, 5],
      [0, 3],
      [1, 8],
    ] as const) {
      await lanes.write(record(partition, offset))
    }
    expect(sent).toEqual([])
    const settled = lanes.settle()
    await turn()
    expect(sent.map(({ partition, values }) => [partition, values])).toEqual([
      [1, 2],
      [0, 1],
    ])
    const nothing = { records: 0, source: undefined, target: undefined }
    expect(lanes.reports).toEqual([
      { partition: 0, ...nothing, next: 3 },
      { partition: 1, ...nothing, next: 5 },
    ])
    expect(await isPending(settled)).toBe(true)
    for (const each of sent) await each.answer()
    await settled
    expect(lanes.reports).toMatchObject([
      { source: { from: 3, until: 4 }, target: { from: 100, until: 101 }, next: 4 },
      { records: 2, source: { from: 5, until: 9 }, target: { from: 100, until: 102 }, next: 9 },
    ])
    await lanes.write(record(1, 20))
    const again = lanes.settle()
    await turn()
    await sent[2]?.answer()
    await again
    expect(lanes.reports[1]).toMatchObject({
      records: 3,
      source: { from: 5, until: 21 },
      target: { from: 100, until: 103 },
    })
  })

  it('lanes fill one round while the round before it is in flight', async () => {
    const { lanes, sent } = world()
    await lanes.write(record(0, 0))
    await lanes.flush()
    await lanes.write(record(0, 1))
    const second = lanes.flush()
    expect(await isPending(second)).toBe(true)
    expect(sent).toHaveLength(1)
    await sent[0]?.answer()
    await second
    expect(sent).toHaveLength(2)
  })

  it.each([
    ['bytes of a batch', 1, 400_000, 2],
    ['bytes of a round', 20, 400_000, 10],
    ['records of a round', 1, 1, 20_000],
  ])('lanes hold no more %s than the limit', async (_, partitions, size, count) => {
    const { lanes, sent } = world()
    for (let n = 0; n < count; n++) await lanes.write(record(n % partitions, n, size))
    expect(sent).toEqual([])
    await lanes.write(record(0, count, size))
    expect(sent.reduce((sum, { values }) => sum + values, 0)).toBe(count)
    for (let n = 0; n < count - 1; n++) await lanes.write(record(n % partitions, n, size))
    const waiting = lanes.write(record(0, 0, size))
    expect(await isPending(waiting.then(() => lanes.write(record(0, 0, size))))).toBe(true)
  })

  it('lanes send a record that is larger than a round alone', async () => {
    const { lanes, sent } = world()
    await lanes.write(record(0, 0))
    await lanes.write(record(0, 1, 5_000_000))
    expect(sent).toHaveLength(1)
    await sent[0]?.answer()
    await lanes.write(record(0, 2))
    expect(sent.map(({ values }) => values)).toEqual([1, 1])
  })

  it('a large record in an empty lane sends no round early', async () => {
    const { lanes, sent } = world()
    await lanes.write(record(0, 0))
    await lanes.flush()
    await sent[0]?.answer()
    await lanes.write(record(1, 0))
    await lanes.write(record(0, 1, 1_500_000))
    expect(sent).toHaveLength(1)
  })

  it('lanes accept a record of exactly the largest size', async () => {
    const { lanes } = world()
    const framing = recordSizeMax(null, new Uint8Array(1_000), []) - 1_000
    await lanes.write(record(0, 0, RECORD_BYTES_MAX - framing))
    await expect(lanes.write(record(0, 1, RECORD_BYTES_MAX - framing + 1))).rejects.toThrow()
  })

  it('lanes refuse a record that the producer would refuse, and name it', async () => {
    const { lanes, sent } = world()
    await lanes.write(record(2, 6))
    await expect(lanes.write(record(2, 7, RECORD_BYTES_MAX))).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      message: expect.stringContaining('partition 2: the record at offset 7 takes up to') as string,
    })
    await lanes.flush()
    expect(sent.map(({ values }) => values)).toEqual([1])
    expect(lanes.reports).toMatchObject([{ next: 6 }])
  })

  it('lanes keep a record without a time that way', async () => {
    const { lanes, sent } = world()
    await lanes.write({ ...record(0, 0), timestamp: -1 })
    await lanes.write(record(0, 1))
    await lanes.flush()
    expect(sent[0]?.times).toEqual([-1, 0])
  })

  it('lanes send nothing after a failure and know what is missing', async () => {
    const { lanes, sent } = world()
    for (const partition of [0, 1]) await lanes.write(record(partition, 10))
    await lanes.flush()
    for (const partition of [0, 1, 2]) await lanes.write(record(partition, 20))
    await sent[0]?.refuse()
    await sent[1]?.answer()
    await expect(lanes.flush()).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
    await expect(lanes.settle()).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
    expect(sent).toHaveLength(2)
    expect(lanes.reports.map(({ next, records }) => [next, records])).toEqual([
      [10, 0],
      [20, 1],
      [20, 0],
    ])
  })

  it('lanes that do not keep partitions let the keys choose', async () => {
    const { lanes, sent } = world(false)
    await lanes.write(record(3, 0))
    await lanes.flush()
    expect(sent[0]?.partition).toBeUndefined()
    await sent[0]?.answer()
    expect(lanes.reports).toMatchObject([{ partition: 3, source: { from: 0, until: 1 } }])
    expect(lanes.reports[0]?.target).toBeUndefined()
  })

  it('lanes that let keys choose send one sequence and know how far each lane is', async () => {
    const { lanes, sent } = world(false)
    for (const [partition, offset] of [
      [1, 5],
      [0, 3],
      [1, 8],
    ] as const) {
      await lanes.write({ ...record(partition, offset), timestamp: offset })
    }
    const settled = lanes.settle()
    await turn()
    expect(sent.map(({ times }) => times)).toEqual([[5, 3, 8]])
    expect(lanes.reports).toMatchObject([
      { partition: 0, records: 0, next: 3 },
      { partition: 1, records: 0, next: 5 },
    ])
    await sent[0]?.answer()
    await settled
    expect(lanes.reports).toMatchObject([
      { partition: 0, records: 1, source: { from: 3, until: 4 }, next: 4 },
      { partition: 1, records: 2, source: { from: 5, until: 9 }, next: 9 },
    ])
  })

  it.each([
    [-2, undefined],
    [2 ** 53, undefined],
    [1.6e18, 1_600_000_000_123_456_789n],
  ])('lanes refuse a time that cannot be copied: %d', async (timestamp, exactTimestamp) => {
    const { lanes, sent } = world()
    const odd = { ...record(3, 7), timestamp, ...(exactTimestamp && { exactTimestamp }) }
    await expect(lanes.write(odd)).rejects.toMatchObject({
      code: 'INVALID_TIMESTAMP',
      message: expect.stringContaining(
        `partition 3: the record at offset 7 has timestamp ${exactTimestamp ?? timestamp}, which is not`,
      ),
    })
    await lanes.settle()
    expect(sent).toEqual([])
  })
})
