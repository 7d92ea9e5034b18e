import { describe, expect, it } from 'vitest'
import { EpochTrail } from '../../../src/client/line/epoch-trail.js'

/** "3@0 5@4": batches of these epochs at these offsets, in the order in which they come. */
function trail(batches: string, begin?: readonly [position: number, epoch: number]): EpochTrail {
  const made = new EpochTrail()
  if (begin !== undefined) made.begin(...begin)
  for (const batch of batches.split(' ').filter(Boolean)) {
    const [epoch, offset] = batch.split('@').map(Number)
    made.note(epoch as number, offset as number)
  }
  return made
}

describe('the epoch of the last record before a position', () => {
  it.each([
    ['', 5, -1],
    ['3@0', 0, -1], // nothing is before
    ['3@0', 1, 3],
    ['3@0 5@4', 4, 3],
    ['3@0 5@4', 5, 5],
    ['3@0 3@2 5@4 5@6', 9, 5],
    ['3@0 -1@4', 9, -1], // the epoch of the last records is unknown
    ['5@0 3@4', 9, 3], // not as brokers write: what was known does not count
    ['5@0 3@4', 3, -1],
  ])('after batches %j the epoch of the record before %i is %i', (batches, position, epoch) => {
    expect(trail(batches).before(position)).toBe(epoch)
  })

  it('the epoch of the committed offset counts where reading began', () => {
    const begun = trail('5@12', [10, 3])
    expect([9, 10, 12, 13].map(position => begun.before(position))).toEqual([-1, 3, 3, 5])
    begun.begin(4, -1)
    expect(begun.before(13)).toBe(-1)
  })

  it('after many leader epochs the oldest is forgotten', () => {
    const many = trail(Array.from({ length: 1_000 }, (_, n) => `${n}@${n}`).join(' '))
    expect(many.before(1_000)).toBe(999)
    expect(many.before(10)).toBe(-1)
  })
})

describe('where logs part', () => {
  it.each([
    ['the leader ends first', '3@0', { epoch: 3, endOffset: 6 }, 6],
    ['the leader has none of the newest epoch', '3@0 5@4', { epoch: 3, endOffset: 9 }, 4],
    ['it has less of the one before as well', '3@0 5@4', { epoch: 3, endOffset: 2 }, 2],
    ['it has another epoch in between', '3@0 5@4', { epoch: 4, endOffset: 9 }, 4],
  ])('the logs diverge: %s', (_, batches, end, offset) => {
    expect(trail(batches).divergesAt(end)).toBe(offset)
  })

  it("a reader that only knows its position relies on the leader, as Kafka's consumer", () => {
    expect(trail('', [10, 5]).divergesAt({ epoch: 3, endOffset: 20 })).toBe(10)
    expect(trail('', [10, 5]).divergesAt({ epoch: 3, endOffset: 8 })).toBe(8)
  })

  it('the epoch before is asked about next, as the logs may diverge earlier', () => {
    const cut = trail('3@0 5@4')
    cut.cutAt(4, 4)
    expect(cut.before(4)).toBe(3)
    cut.cutAt(0, 2)
    expect(cut.before(0)).toBe(2) // nothing is left: the leader is believed
  })
})
