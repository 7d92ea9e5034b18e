/** A log that follows: it takes what another one has written, and can be cut to agree with it. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { DiskError } from '../../../src/disk/disk.js'
import {
  baseOfBatchAround,
  followerBatches,
  segmentLoads,
} from '../../../src/log/store/follower-batches.js'
import type { Log } from '../../../src/log/store/log.js'
import { batchesOf } from '../../../src/model/batch/batch.js'
import {
  appendMany,
  batchOf,
  copied,
  create,
  createEmpty,
  expected,
  history,
  logBytesOf,
  open,
  readAll,
  world,
} from '../helpers.js'

const SMALL = { 'internal.segment.bytes': 500, 'index.interval.bytes': 200 }
const EPOCHS = 'orders-0/leader-epoch-checkpoint'

const epochsOf = (log: Log): string =>
  log.epochs.entries.map(({ epoch, startOffset }) => `${epoch}:${startOffset}`).join(' ')

it('the batch around an offset is found only where it is whole, valid and begins before', () => {
  const batch = copied(batchOf(['a', 'b', 'c']), 5, 0)
  const bytes = Buffer.concat([batch, history(8, 2, 0)])
  const bases = [4, 5, 6, 7, 8, 9].map(offset => baseOfBatchAround(bytes, offset))
  expect(bases).toEqual([undefined, undefined, 5, 5, undefined, undefined])
  expect(baseOfBatchAround(Buffer.alloc(0), 6)).toBeUndefined()
  expect(baseOfBatchAround(batch.subarray(0, -1), 6)).toBeUndefined()
  batch[batch.length - 1] = (batch.at(-1) as number) ^ 1
  expect(baseOfBatchAround(batch, 6)).toBeUndefined()
})

describe('a follower', () => {
  it("a follower stores its leader's batches byte for byte", async () => {
    const leader = await create(world(SMALL))
    appendMany(leader, 30)
    const follower = await createEmpty(world(SMALL))
    for (let next = 0; next < 30;) {
      const bytes = await leader.read(next, { upTo: 30, maxBytes: 200, minOneBatch: true })
      const { firstOffset, lastOffset } = follower.appendAsFollower(bytes)
      expect(firstOffset).toBe(next)
      next = lastOffset + 1
    }
    expect(follower.logEndOffset).toBe(30)
    expect(await logBytesOf(follower)).toEqual(await logBytesOf(leader))
    expect(follower.segmentCount).toBe(leader.segmentCount)
    expect(epochsOf(follower)).toBe(epochsOf(leader))
    expect(await readAll(follower, 17)).toEqual(expected(30, 17))
  })

  it('a follower spreads bytes that no segment can hold over several', async () => {
    const log = await createEmpty(world(SMALL))
    expect(log.appendAsFollower(history(0, 20, 0))).toEqual({ firstOffset: 0, lastOffset: 19 })
    expect(log.segmentCount).toBe(3)
    expect(await readAll(log)).toEqual(expected(20))
    // A single batch that is larger than a segment was fine for the leader, so it is for us.
    const large = copied(batchOf(['x'.repeat(600)]), 20, 0)
    log.appendAsFollower(Buffer.concat([large, history(21, 1, 0)]))
    expect(log.logEndOffset).toBe(22)
    expect((await readAll(log)).at(-1)).toBe('21:v21')
    await log.flush()
  })

  it('a follower accepts an empty response', async () => {
    const log = await createEmpty(world())
    log.appendAsFollower(history(0, 3, 0))
    expect(log.appendAsFollower(Buffer.alloc(0))).toEqual({ firstOffset: 3, lastOffset: 2 })
    expect(log.logEndOffset).toBe(3)
  })

  const good = history(3, 2, 1)
  const flipped = Buffer.from(good)
  flipped[good.length - 1]! ^= 1
  it.each([
    ['a torn batch at the end', good.subarray(0, good.length - 1), 'CORRUPT_MESSAGE'],
    ['a few bytes', good.subarray(0, 5), 'CORRUPT_MESSAGE'],
    ['a checksum that is wrong', flipped, 'CORRUPT_MESSAGE'],
    ['bytes that are no batch', Buffer.alloc(100), 'CORRUPT_MESSAGE'],
    ['a gap', history(4, 1, 1), 'OFFSET_OUT_OF_RANGE'],
    ['what it has already', history(2, 2, 1), 'OFFSET_OUT_OF_RANGE'],
    ['a gap in between', Buffer.concat([good, history(6, 1, 1)]), 'OFFSET_OUT_OF_RANGE'],
    ['an older leadership', history(3, 1, 0), 'FENCED_LEADER_EPOCH'],
    [
      'an older one in between',
      Buffer.concat([history(3, 1, 2), history(4, 1, 1)]),
      'FENCED_LEADER_EPOCH',
    ],
  ])('a follower refuses %s and writes nothing', async (_what, bytes, code) => {
    const log = await createEmpty(world())
    log.appendAsFollower(history(0, 3, 1))
    const before = await logBytesOf(log)
    expect(() => log.appendAsFollower(bytes)).toThrow(expect.objectContaining({ code }))
    expect(log.logEndOffset).toBe(3)
    expect(await logBytesOf(log)).toEqual(before)
    expect(log.appendAsFollower(good).firstOffset).toBe(3)
  })

  it('a follower refuses a first batch above its end, also when it is empty', async () => {
    const log = await createEmpty(world())
    expect(() => log.appendAsFollower(good)).toThrow('OFFSET_OUT_OF_RANGE')
  })

  it('a follower accepts the gaps of a compacted log', async () => {
    const w = world({ ...SMALL, 'cleanup.policy': 'compact' })
    const log = await createEmpty(w)
    log.appendAsFollower(Buffer.concat([history(2, 1, 0), history(9, 8, 0), history(40, 1, 0)]))
    const all = ['2:v2', ...expected(17, 9), '40:v40']
    expect(await readAll(log)).toEqual(all)
    expect(() => log.appendAsFollower(history(40, 1, 0))).toThrow('OFFSET_OUT_OF_RANGE')
    await log.abandon()
    expect(await readAll((await open(w)).log)).toEqual(all)
  })

  it('a follower on a full disk refuses an append and continues when there is room', async () => {
    const w = world()
    const log = await createEmpty(w)
    w.disk.beforeOperation = operation => {
      if (operation.kind === 'append') throw new DiskError('ENOSPC', 'append', operation.path)
      return undefined
    }
    expect(() => log.appendAsFollower(history(0, 2, 0))).toThrow('nothing was appended')
    expect([log.logEndOffset, epochsOf(log)]).toEqual([0, ''])
    w.disk.beforeOperation = undefined
    log.appendAsFollower(history(0, 2, 0))
    expect(await readAll(log)).toEqual(expected(2))
  })
})

describe('the epochs of a follower', () => {
  it('the epochs of a follower come with the batches', async () => {
    const log = await createEmpty(world())
    const bytes = [history(0, 3, 0), history(3, 1, 2), history(4, 2, 2), history(6, 1, 7)]
    log.appendAsFollower(Buffer.concat(bytes))
    expect(epochsOf(log)).toBe('0:0 2:3 7:6')
    log.appendAsFollower(history(7, 1, 7))
    expect(epochsOf(log)).toBe('0:0 2:3 7:6')
  })

  it('the epochs of a follower are in the file before the records are durable', async () => {
    const w = world()
    const log = await createEmpty(w)
    log.appendAsFollower(Buffer.concat([history(0, 1, 0), history(1, 1, 4)]))
    await log.flush()
    const kinds = w.disk.history.map(({ kind, path }) => `${kind} ${path}`)
    const renamed = kinds.lastIndexOf(`rename ${EPOCHS}.tmp`)
    expect(kinds.slice(renamed)).toEqual([
      `rename ${EPOCHS}.tmp`,
      'syncDirectory orders-0',
      'sync orders-0/00000000000000000000.log',
      'syncDirectory orders-0',
    ])
    const before = w.disk.history.length
    log.appendAsFollower(history(2, 1, 4))
    await log.flush()
    expect(w.disk.history.slice(before).map(({ kind }) => kind)).toEqual(['append', 'sync'])
    const file = await w.disk.open(EPOCHS).read(0, 100)
    expect(file.toString()).toBe('0\n2\n0 0\n4 1\n')
  })

  it('epochs that were not synced are recovered from the batches and written', async () => {
    const w = world(SMALL)
    const log = await createEmpty(w)
    log.appendAsFollower(history(0, 5, 1))
    await log.flush()
    log.appendAsFollower(Buffer.concat([history(5, 6, 3), history(11, 6, 8)]))
    await log.abandon()
    const again = await open(w, { recoveryPoint: 5 })
    expect(again.findings).toEqual([])
    expect(epochsOf(again.log)).toBe('1:0 3:5 8:11')
    await again.log.abandon()
    // They are not scanned a second time.
    expect(epochsOf((await open(w, { recoveryPoint: 17 })).log)).toBe('1:0 3:5 8:11')
  })

  it('the epochs of a follower are those of the batches, whatever the file has', async () => {
    const w = world()
    const log = await createEmpty(w)
    log.appendAsFollower(Buffer.concat([history(0, 2, 1), history(2, 1, 9)]))
    await log.flush()
    await log.abandon()
    await w.disk.remove(EPOCHS)
    const file = w.disk.create(EPOCHS)
    file.append(Buffer.from('0\n1\n1 0\n'))
    const { log: again, findings } = await open(w, { recoveryPoint: 3, wasClosedCleanly: true })
    expect(findings.at(-1)).toMatchObject({ kind: 'epochs-rebuilt', file: EPOCHS })
    expect(epochsOf(again)).toBe('1:0 9:2')
    expect((await w.disk.open(EPOCHS).read(0, 100)).toString()).toBe('0\n2\n1 0\n9 2\n')
  })

  it('the epoch of a batch cannot be later than that of the partition', async () => {
    const w = world()
    const log = await createEmpty(w)
    log.appendAsFollower(Buffer.concat([history(0, 2, 1), history(2, 1, 9)]))
    await log.close()
    const late = 'leader epoch 9 is outside [1, 8]'
    for (const wasClosedCleanly of [true, false]) {
      const options = { recoveryPoint: 3, wasClosedCleanly }
      await expect(open(w, { ...options, leaderEpochMax: 8 })).rejects.toThrow(late)
      const opened = await open(w, { ...options, leaderEpochMax: 9 })
      expect(opened.findings).toEqual([])
      await opened.log.abandon()
    }
  })

  it('the epoch of a leader comes with its first record', async () => {
    const log = await createEmpty(world())
    appendMany(log, 2)
    expect(epochsOf(log)).toBe('0:0')
  })
})

describe('batches for segments', () => {
  it('batches are packed in order, each segment as full as possible', () => {
    const random = seededRandom(3)
    for (let round = 0; round < 50; round++) {
      const count = random.int(30)
      const batches = [...batchesOf(history(0, count, 0))]
      const loads = segmentLoads(batches, 70 + random.int(400))
      expect(loads.flat()).toEqual(batches)
      expect(loads.every(load => load.length > 0)).toBe(true)
    }
    const sizes = segmentLoads([...batchesOf(history(0, 10, 0))], 3 * 70).map(load => load.length)
    expect(sizes).toEqual([3, 3, 3, 1])
  })

  it('the batches of a load are views of the bytes received', () => {
    const bytes = history(7, 3, 0)
    const end = { name: 'orders-0', logEndOffset: 7, lastEpoch: -1, hasGaps: false }
    expect(followerBatches(bytes, end).map(batch => batch.buffer)).toEqual([bytes, bytes, bytes])
  })
})
