import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import { isAscending, LeaderEpochs } from '../../../src/log/format/leader-epochs.js'

/** `epochs('0:0 5:92')` began epoch 0 at offset 0 and epoch 5 at 92. */
function epochs(text: string): LeaderEpochs {
  return new LeaderEpochs(entriesOf(text))
}

function entriesOf(text: string): { epoch: number; startOffset: number }[] {
  return text
    .split(' ')
    .filter(word => word !== '')
    .map(word => word.split(':').map(Number))
    .map(([epoch, startOffset]) => ({ epoch: epoch as number, startOffset: startOffset as number }))
}

const show = ({ entries }: LeaderEpochs): string =>
  entries.map(({ epoch, startOffset }) => `${epoch}:${startOffset}`).join(' ')

/** The epochs of a log, given the epoch of each of its records. */
function cacheOf(log: readonly number[]): LeaderEpochs {
  const cache = new LeaderEpochs()
  log.forEach((epoch, offset) => {
    if (epoch > cache.latestEpoch) cache.assign(epoch, offset)
  })
  return cache
}

/** Two logs of a common past. Each epoch had one leader, so no epoch has two histories. */
function partedLogs(random: Random) {
  const past: number[] = []
  let epoch = 0
  const write = (log: number[], most: number): void => {
    for (let n = random.int(most + 1); n > 0; n--) log.push(epoch)
  }
  for (; epoch < 3; epoch++) write(past, 3)
  const [leader, follower] = [[...past], [...past]]
  epoch = past.at(-1) ?? 0
  write(random.int(2) === 0 ? leader : follower, 2) // the other one did not get these
  for (epoch = 3; epoch < 9; epoch++) write(random.int(2) === 0 ? leader : follower, 3)
  leader.push(epoch)
  const parting = leader.findIndex((of, offset) => follower[offset] !== of)
  return { leader, follower, common: parting }
}

/** How a follower finds its way (KIP-595): it asks for its latest epoch, cuts, and asks again. */
function whereTheyPart(leader: readonly number[], follower: readonly number[]): number {
  const own = cacheOf(follower)
  let end = follower.length
  for (let asked = own.latestEpoch; asked >= 0; asked = own.latestEpoch) {
    const answer = cacheOf(leader).endOffsetFor(asked, leader.length)
    if (answer.epoch === asked && answer.endOffset >= end) return end
    const known = own.endOffsetFor(answer.epoch, end)
    end = Math.min(end, known.epoch < 0 ? 0 : known.endOffset)
    if (known.epoch === answer.epoch) end = Math.min(end, answer.endOffset)
    own.truncateFromEnd(end)
  }
  return end
}

describe('a leadership that begins', () => {
  it.each([
    // before, epoch, at, after, is it news?
    ['', 0, 0, '0:0', true],
    ['', 7, 50, '7:50', true],
    ['0:0', 1, 10, '0:0 1:10', true],
    ['0:0 1:10', 1, 10, '0:0 1:10', false],
    ['0:0 1:10', 1, 25, '0:0 1:10', false],
    // It begins where an older one had claimed to begin without having written anything.
    ['0:0 1:10', 2, 10, '0:0 2:10', true],
    ['0:0', 1, 0, '1:0', true],
    // It begins before what an older one claims: the log was cut in between.
    ['0:0 1:10 2:20', 3, 15, '0:0 1:10 3:15', true],
    ['0:0 1:10 2:20', 3, 5, '0:0 3:5', true],
    // A later entry of its own, or of a newer one, was a mistake.
    ['0:0 1:10', 1, 8, '0:0 1:8', true],
    ['0:0 5:10', 3, 12, '0:0 3:12', true],
  ] as const)('assigning to %s the epoch %i at %i gives %s', (before, epoch, at, after, isNew) => {
    const subject = epochs(before)
    expect(subject.assign(epoch, at)).toBe(isNew)
    expect(show(subject)).toBe(after)
    expect(subject.latest).toEqual(entriesOf(after).at(-1))
  })
})

describe('the epoch of an offset', () => {
  it('the epoch of an offset is the latest one that began at or before it', () => {
    const subject = epochs('0:0 2:61 5:92')
    const found = [0, 60, 61, 91, 92, 1000].map(offset => subject.epochAt(offset))
    expect(found).toEqual([0, 0, 2, 2, 5, 5])
  })

  it('the epoch of an offset before the first epoch is unknown', () => {
    expect(epochs('3:10').epochAt(9)).toBeUndefined()
    expect(epochs('').epochAt(0)).toBeUndefined()
    expect(epochs('').latest).toBeUndefined()
  })
})

describe('the end of an epoch', () => {
  it.each([
    // known, requested, log end: epoch and where it ends
    ['', -1, 0, -1, -1],
    ['0:0 2:61', -1, 100, -1, -1],
    ['', 0, 0, -1, -1],
    // The latest one ends with the log.
    ['0:0 2:61 5:92', 5, 100, 5, 100],
    ['0:0', 0, 0, 0, 0],
    // One that was not known ends like the one before it.
    ['0:0 2:61 5:92', 0, 100, 0, 61],
    ['0:0 2:61 5:92', 1, 100, 0, 61],
    ['0:0 2:61 5:92', 2, 100, 2, 92],
    ['0:0 2:61 5:92', 4, 100, 2, 92],
    // Older than all: everything here is newer.
    ['3:10 5:92', 2, 100, 2, 10],
    // Newer than all: unknown here.
    ['0:0 2:61 5:92', 6, 100, -1, -1],
  ] as const)('%s, asked for %i with log end %i: %i, %i', (known, asked, end, epoch, endOffset) => {
    expect(epochs(known).endOffsetFor(asked, end)).toEqual({ epoch, endOffset })
  })

  it('the end of an epoch leads a follower to the divergence and removes nothing shared', () => {
    const random = seededRandom(5)
    for (let round = 0; round < 300; round++) {
      const { leader, follower, common } = partedLogs(random)
      expect(follower.slice(0, common)).toEqual(leader.slice(0, common))
      expect(whereTheyPart(leader, follower), `round ${round}`).toBe(common)
    }
  })

  it('the latest epoch is −1 if there is none', () => {
    expect([epochs('').latestEpoch, epochs('0:0 4:7').latestEpoch]).toEqual([-1, 4])
  })
})

describe('cutting', () => {
  it.each([
    ['0:0 2:61 5:92', 93, '0:0 2:61 5:92', false],
    ['0:0 2:61 5:92', 92, '0:0 2:61', true],
    ['0:0 2:61 5:92', 61, '0:0', true],
    ['0:0 2:61 5:92', 0, '', true],
    ['', 10, '', false],
  ] as const)('truncating the end of %s at %i leaves %s', (before, end, after, isChange) => {
    const subject = epochs(before)
    expect(subject.truncateFromEnd(end)).toBe(isChange)
    expect(show(subject)).toBe(after)
  })

  it.each([
    ['0:0 2:61 5:92', 0, '0:0 2:61 5:92', false],
    ['0:0 2:61 5:92', 1, '0:1 2:61 5:92', true],
    ['0:0 2:61 5:92', 60, '0:60 2:61 5:92', true],
    ['0:0 2:61 5:92', 61, '2:61 5:92', true],
    ['0:0 2:61 5:92', 70, '2:70 5:92', true],
    ['0:0 2:61 5:92', 500, '5:500', true],
    ['3:10', 5, '3:10', false],
    ['3:10', 10, '3:10', false],
    ['', 10, '', false],
  ] as const)('truncating the start of %s at %i leaves %s', (before, start, after, isChange) => {
    const subject = epochs(before)
    expect(subject.truncateFromStart(start)).toBe(isChange)
    expect(show(subject)).toBe(after)
  })
})

describe('the list of epochs', () => {
  it.each([
    ['', true],
    ['4:9', true],
    ['0:0 1:1 2:5', true],
    ['0:0 0:5', false],
    ['0:0 1:0', false],
    ['1:0 0:5', false],
    ['0:5 1:4', false],
    ['0:0 1:5 1:6', false],
  ])('the entries %s ascend: %s', (text, isGood) => {
    expect(isAscending(entriesOf(text))).toBe(isGood)
    if (isGood) expect(show(epochs(text))).toBe(text)
    else expect(() => epochs(text)).toThrow('leader epochs ascend')
  })

  it('leader epochs always ascend and agree with a list of all offsets', () => {
    const random = seededRandom(11)
    for (let round = 0; round < 200; round++) {
      const subject = new LeaderEpochs()
      /** The epoch of each offset, as a log would have it: index is the offset. */
      let log: number[] = []
      let start = 0
      for (let epoch = 0; epoch < 12; epoch++) {
        subject.assign(epoch, log.length)
        for (let n = random.int(5); n > 0; n--) log.push(epoch)
        if (random.int(4) === 0) {
          const end = start + random.int(log.length - start + 1)
          log = log.slice(0, end)
          subject.truncateFromEnd(end)
        }
        if (random.int(4) === 0) {
          start += random.int(log.length - start + 1)
          subject.truncateFromStart(start)
        }
        expect(isAscending(subject.entries)).toBe(true)
        for (let offset = start; offset < log.length; offset++) {
          expect(subject.epochAt(offset), `round ${round}, offset ${offset}`).toBe(log[offset])
        }
        for (const { startOffset } of subject.entries) {
          expect(startOffset).toBeGreaterThanOrEqual(start)
        }
      }
    }
  })
})
