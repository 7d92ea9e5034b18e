/** A mirror that ends between two writes: the records are written first, then the positions. */

import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { RECORD_BYTES_MAX } from '../../../src/cli/copy/lanes.js'
import { MirrorPositions, POSITIONS_TOPIC } from '../../../src/cli/copy/mirror-positions.js'
import { Mirror, type MirrorRequest } from '../../../src/cli/copy/mirror-run.js'
import { clock as systemClock } from '../../../src/cli/terminal/ending.js'
import { Cluster, virtualClock, type ClusterOptions } from '../../../src/index.js'

async function world(options: ClusterOptions = {}) {
  const [source, target] = [await Cluster.memory(options), await Cluster.memory()]
  onTestFinished(() => source.close())
  onTestFinished(() => target.close())
  await source.admin.createTopic({ topic: 'orders', partitions: 2 })
  const messages = Array.from({ length: 40 }, (_, n) => ({ value: String(n), partition: n % 2 }))
  await source.producer().send({ topic: 'orders', messages })
  const nothing = (): void => undefined
  const mirror = async (more: Partial<MirrorRequest> = {}): Promise<Mirror> => {
    const positions = await MirrorPositions.read(target)
    const work = new Mirror(
      { source, target, positions },
      {
        from: 'orders',
        topic: 'copy',
        first: undefined,
        skipDeleted: false,
        follow: false,
        onPlan: nothing,
        onProgress: nothing,
        onCaughtUp: nothing,
        signal: new AbortController().signal,
        ...more,
      },
    )
    await work.run()
    return work
  }
  const copied = async (): Promise<(number | null)[]> =>
    (await target.admin.listOffsets('copy')).map(({ offset }) => offset)
  /** Source offset and copy offset of each partition. */
  const kept = async (): Promise<(number | undefined)[][]> => {
    const positions = await MirrorPositions.read(target)
    const each = [0, 1].map(partition => positions.of('copy', partition))
    return each.map(position => [position?.source.offset, position?.target.offset])
  }
  return { source, target, mirror, copied, kept }
}

it('a mirror writes no record before its first position is stored', async () => {
  const { target, mirror, copied } = await world()
  target.faults.on('produce', { topic: POSITIONS_TOPIC }).error('POLICY_VIOLATION')
  await expect(mirror()).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
  expect(await copied()).toEqual([0, 0])
  await mirror()
  expect(await copied()).toEqual([20, 20])
})

it('a mirror that ended between records and positions does not write them again', async () => {
  const { target, mirror, copied } = await world()
  const fault = target.faults.on('produce', { topic: POSITIONS_TOPIC })
  const dying = fault.error('POLICY_VIOLATION').after(1).always()
  await expect(mirror()).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
  expect(dying.count).toBeGreaterThan(0)
  dying.remove()
  expect(await copied()).toEqual([20, 20])
  const { reports } = await mirror()
  expect(reports.map(({ records, next, shift }) => [records, next, shift])).toEqual([
    [0, 20, 0],
    [0, 20, 0],
  ])
  expect(await copied()).toEqual([20, 20])
})

it('a mirror that ended between two partitions writes what is missing', async () => {
  const { target, mirror, copied } = await world()
  target.faults.on('produce', { topic: 'copy', partition: 1 }).error('POLICY_VIOLATION')
  await expect(mirror()).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
  expect(await copied()).toEqual([20, 0])
  const { reports } = await mirror()
  expect(reports.map(({ records }) => records)).toEqual([0, 20])
  expect(await copied()).toEqual([20, 20])
})

it('a mirror that cannot continue to read stores its positions', async () => {
  const { source, mirror, copied } = await world()
  const messages = Array.from({ length: 200 }, () => ({ value: 'v'.repeat(10_000), partition: 0 }))
  await source.producer().send({ topic: 'orders', messages })
  const fault = source.faults.on('fetch').error('TOPIC_AUTHORIZATION_FAILED').after(2).always()
  await expect(mirror()).rejects.toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED' })
  fault.remove()
  const [first, second] = (await copied()) as [number, number]
  expect(first).toBeGreaterThan(0)
  expect(first).toBeLessThan(220)
  const { reports } = await mirror()
  expect(reports.map(({ records }) => records)).toEqual([220 - first, 20 - second])
  expect(await copied()).toEqual([220, 20])
})

it.each([0, 1])('a mirror keeps no position before records it did not take (%i)', async partition => {
  const { source, target, mirror, copied, kept } = await world()
  await mirror()
  await target.producer().send({ topic: 'copy', messages: [{ value: 'foreign', partition }] })
  const messages = Array.from({ length: 6 }, (_, n) => ({ value: 'more', partition: n % 2 }))
  await source.producer().send({ topic: 'orders', messages })
  const sentence = `copy-${partition}: the record at offset 20 is not the one of the source`
  await expect(mirror()).rejects.toThrow(sentence)
  const [ends, positions] = [await copied(), await kept()]
  expect(positions[partition]).toEqual([20, 20])
  const other = ends[1 - partition] as number
  expect(positions[1 - partition]).toEqual([other, other])
})

it('a mirror reads later partitions from their first record', async () => {
  const { source, mirror, copied } = await world()
  await mirror({ first: 15 })
  await source.admin.createPartitions({ topic: 'orders', partitions: 3 })
  const messages = [1, 2, 3].map(n => ({ value: String(n), partition: 2 }))
  await source.producer().send({ topic: 'orders', messages })
  await mirror({ first: 2 })
  expect(await copied()).toEqual([5, 5, 3])
})

it('a mirror ends at the end it saw at the start, even if records keep coming', async () => {
  const { source, mirror, copied } = await world()
  const producer = source.producer()
  const more = { topic: 'orders', messages: [{ value: 'later', partition: 1 }] }
  const first = await mirror({ onPlan: () => void producer.send(more) })
  expect(first.hasCaughtUp).toBe(true)
  expect(await copied()).toEqual([20, 20])
  const { reports } = await mirror()
  expect(reports[0]).toMatchObject({ records: 0, shift: 0 })
  expect(reports[1]?.records).toBeGreaterThan(0)
})

it('a mirror may begin at a time', async () => {
  const { source, mirror, copied } = await world()
  await source.admin.createTopic({ topic: 'days', partitions: 2 })
  const messages = [1, 2, 3].map(day => ({
    partition: 0,
    value: String(day),
    timestamp: Date.UTC(2016, 0, day),
  }))
  const old = { partition: 1, value: 'all older', timestamp: 1 }
  await source.producer().send({ topic: 'days', messages: [...messages, old] })
  const { reports } = await mirror({ from: 'days', first: new Date('2016-01-02T00:00:00Z') })
  expect(reports.map(({ source: read, shift }) => [read?.from, shift])).toEqual([
    [1, 1],
    [undefined, 1],
  ])
  expect(await copied()).toEqual([2, 0])
})

it('a mirror refuses a copy with more partitions than the source', async () => {
  const { target, mirror } = await world()
  await target.admin.createTopic({ topic: 'copy', partitions: 4 })
  await expect(mirror()).rejects.toThrow(
    'copy has 4 partitions and orders at the source has 2: use another --topic',
  )
})

it('a mirror copies records that are larger than a round', async () => {
  const { source, mirror, copied } = await world()
  const config = { 'max.message.bytes': 70_000_000 }
  await source.admin.createTopic({ topic: 'large', partitions: 1, config })
  const producer = source.producer({ maxRequestSize: 70_000_000, bufferMemory: 70_000_000 })
  const sizes = [1, RECORD_BYTES_MAX - 100, 1]
  for (const size of sizes) {
    await producer.send({ topic: 'large', messages: [{ value: Buffer.alloc(size) }] })
  }
  await mirror({ from: 'large' })
  expect(await copied()).toEqual([3])
})

it('a mirror copies records that are older than the source accepts now', async () => {
  const clock = virtualClock()
  const { source, mirror, copied } = await world({ clock })
  const config = { 'message.timestamp.before.max.ms': 1_000 }
  await source.admin.createTopic({ topic: 'young', partitions: 1, config })
  await source.producer().send({ topic: 'young', messages: [{ value: 'old by now' }] })
  await clock.advance(10_000)
  await mirror({ from: 'young' })
  expect(await copied()).toEqual([1])
})

it('a mirror stores no position of a source that is recreated while it follows', async () => {
  const { source, mirror, kept } = await world()
  const remake = async (): Promise<void> => {
    await source.admin.deleteTopic('orders')
    await source.admin.createTopic({ topic: 'orders', partitions: 2 })
    const messages = Array.from({ length: 60 }, (_, n) => ({ value: 'new', partition: n % 2 }))
    await source.producer().send({ topic: 'orders', messages })
  }
  const following = mirror({ follow: true, onCaughtUp: () => void remake() })
  await expect(following).rejects.toThrow('orders was deleted and recreated at the source')
  for (const [from, until] of await kept()) {
    expect(from).toBe(until)
    expect(from).toBeLessThanOrEqual(20)
  }
  await expect(mirror()).rejects.toThrow('copy-0 mirrors a topic orders that was deleted and recreated since')
})

it('a mirror that follows stores its positions, and reports its plan only once', async () => {
  const { source, mirror, copied, kept } = await world()
  const ending = new AbortController()
  const more = async (): Promise<void> => {
    await source.admin.createPartitions({ topic: 'orders', partitions: 3 })
    const messages = Array.from({ length: 15 }, (_, n) => ({ value: 'more', partition: n % 3 }))
    await source.producer().send({ topic: 'orders', messages })
  }
  const onPlan = vi.fn()
  const onCaughtUp = (): void => void more()
  const following = mirror({ follow: true, signal: ending.signal, onPlan, onCaughtUp })
  await expect.poll(copied).toEqual([25, 25, 5])
  ending.abort()
  await following
  expect(onPlan).toHaveBeenCalledTimes(1)
  expect(await kept()).toEqual([
    [25, 25],
    [25, 25],
  ])
})

it('a mirror that does not follow leaves new partitions to the next run', async () => {
  const { source, mirror, copied } = await world()
  const grown = { topic: 'orders', partitions: 3 }
  await mirror({ onPlan: () => void source.admin.createPartitions(grown) })
  expect(await copied()).toEqual([20, 20])
})

it('a mirror stores a position of a recreated copy, wherever the old one ended', async () => {
  const { source, target, mirror } = await world()
  await mirror()
  await target.admin.deleteTopic('copy')
  await source.admin.deleteRecords({ topic: 'orders', partition: 0, offset: 20 })
  await mirror()
  const { topicId } = await target.admin.describeTopic('copy')
  const positions = await MirrorPositions.read(target)
  expect(positions.of('copy', 0)?.target).toEqual({ topicId, offset: 0 })
})

it('a mirror fails if the source deletes records it is about to read', async () => {
  const { source, mirror, copied } = await world()
  const gone = { topic: 'orders', partition: 0, offset: 10 }
  const onPlan = (): void => void source.admin.deleteRecords(gone)
  await expect(mirror({ onPlan })).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  expect((await copied())[0]).toBe(0)
})

it('a mirror that is ended while it recognizes records reports no shift', async () => {
  const { target, mirror } = await world()
  const fault = target.faults.on('produce', { topic: POSITIONS_TOPIC })
  const dying = fault.error('POLICY_VIOLATION').after(1).always()
  await expect(mirror()).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
  dying.remove()
  const { reports, hasCaughtUp } = await mirror({ signal: AbortSignal.abort() })
  expect(reports.map(({ records, shift }) => [records, shift])).toEqual([
    [0, 0],
    [0, 0],
  ])
  expect(hasCaughtUp).toBe(false)
})

it('a mirror reports the first of two failures', async () => {
  const { source, target, mirror } = await world()
  const messages = Array.from({ length: 200 }, () => ({ value: 'v'.repeat(10_000), partition: 0 }))
  await source.producer().send({ topic: 'orders', messages })
  source.faults.on('fetch').error('TOPIC_AUTHORIZATION_FAILED').after(2).always()
  const second = target.faults.on('produce', { topic: POSITIONS_TOPIC })
  second.error('POLICY_VIOLATION').after(1).always()
  await expect(mirror()).rejects.toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED' })
})

describe('many records', () => {
  async function manyWorld() {
    const parts = await world()
    const messages = Array.from({ length: 12_000 }, () => ({
      value: 'v'.repeat(1_000),
      partition: 0,
    }))
    await parts.source.producer().send({ topic: 'orders', messages })
    return parts
  }

  it('records that were read before a signal are in the copy, with a position', async () => {
    const { mirror, copied, kept } = await manyWorld()
    const ending = new AbortController()
    await mirror({ signal: ending.signal, onProgress: () => ending.abort() })
    const [end = null] = await copied()
    expect(end).toBeGreaterThan(0)
    expect(end).toBeLessThan(12_020)
    expect((await kept())[0]).toEqual([end, end])
  })

  it('records are in the copy before a position covers them', async () => {
    const { mirror } = await manyWorld()
    let now = 0
    const flies = vi.spyOn(systemClock, 'monotonicMs').mockImplementation(() => (now += 2_000))
    onTestFinished(() => flies.mockRestore())
    const write = vi.spyOn(MirrorPositions.prototype, 'write')
    onTestFinished(() => write.mockRestore())
    await mirror()
    const all = write.mock.calls.flatMap(([, positions]) => [...positions.values()])
    expect(all.length).toBeGreaterThan(5)
    for (const { source, target } of all) expect(source.offset).toBe(target.offset)
  })
})

describe('from a source with gaps that deletes its first records', () => {
  const gap = (n: number) => ({ partition: 0, key: `k${n}`, value: `${n}`, timestamp: 1 })

  /** The copy has 60 records that no position speaks of; between them the source has gaps. */
  async function gapWorld() {
    const clock = virtualClock()
    const parts = await world({ clock })
    const { source, target, mirror } = parts
    const config = {
      'cleanup.policy': 'compact,delete',
      'retention.ms': -1,
      'internal.segment.bytes': 1_000,
      'min.cleanable.dirty.ratio': 0,
    } as const
    await source.admin.createTopic({ topic: 'table', config })
    const producer = source.producer()
    const put = async (count: number, keys: number): Promise<void> => {
      for (let n = 0; n < count; n++) {
        const messages = [{ ...gap(n % keys), value: `${keys} ${n}` }]
        await producer.send({ topic: 'table', messages })
      }
    }
    await put(60, 60)
    await put(60, 7)
    await put(60, 60)
    await clock.advance(60_000)
    const fault = target.faults.on('produce', { topic: POSITIONS_TOPIC })
    fault.error('POLICY_VIOLATION').after(1).always()
    await expect(mirror({ from: 'table' })).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
    target.faults.clear()
    const goOn = (skipDeleted: boolean) => mirror({ from: 'table', skipDeleted })
    const values = async (): Promise<(string | null)[]> => {
      await using consumer = target.consumer({
        autoOffsetReset: 'earliest',
        valueDeserializer: 'string',
      })
      const all = { topic: 'copy', partition: 0 }
      await consumer.assign([all])
      const [end] = await consumer.endOffsets([all])
      const found: (string | null)[] = []
      while ((await consumer.position(all)) < (end?.offset ?? 0)) {
        found.push(...(await consumer.poll()).map(({ value }) => value))
      }
      return found
    }
    return { ...parts, put, goOn, values }
  }

  it.each([true, false])('a mirror of a source that deletes its first records writes no record twice (--skip-deleted %s)', async skipDeleted => {
    const { source, put, goOn, values } = await gapWorld()
    const before = await values()
    await source.admin.deleteRecords({ topic: 'table', partition: 0, offset: 150 })
    await put(3, 3)
    await goOn(skipDeleted)
    expect(await values()).toEqual([...before, '3 0', '3 1', '3 2'])
  })

  it('a mirror continues after deleted records with --skip-deleted', async () => {
    const { source, put, goOn, values } = await gapWorld()
    const before = await values()
    await put(3, 3)
    await source.admin.deleteRecords({ topic: 'table', partition: 0, offset: 182 })
    await expect(goOn(false)).rejects.toThrow('if they were records; --skip-deleted continues')
    await goOn(true)
    expect(await values()).toEqual([...before, '3 2'])
  })
})
