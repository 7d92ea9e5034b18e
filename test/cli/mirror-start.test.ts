import { describe, expect, it } from 'vitest'
import { startOf, type PartitionFacts } from '../../src/cli/mirror-start.js'

/** What is known, with only what a test is about. */
interface Given {
  /** [from, until) of the source. */
  readonly source: readonly [number, number]
  /** Where the copy ends. */
  readonly copy: number
  /** The position kept: source offset, copy offset. */
  readonly at?: readonly [number, number]
  readonly ids?: { readonly source?: string; readonly copy?: string }
  readonly first?: number
  readonly skipDeleted?: boolean
}

function factsOf({ source, copy, at, ids = {}, first, skipDeleted = false }: Given) {
  const position = at && {
    source: { topic: 'orders', topicId: 's', offset: at[0] },
    target: { topicId: 't', offset: at[1] },
  }
  return {
    name: 'copy-0',
    position,
    source: { topicId: ids.source ?? 's', from: source[0], until: source[1] },
    target: { topicId: ids.copy ?? 't', until: copy },
    first,
    skipDeleted,
  } satisfies PartitionFacts
}

const start = (given: Given): readonly [number, number] => {
  const { offset, copied } = startOf(factsOf(given))
  return [offset, copied]
}

describe('a first run begins', () => {
  it.each<[Given, number]>([
    [{ source: [0, 10], copy: 0 }, 0],
    [{ source: [4, 10], copy: 0 }, 4],
    [{ source: [4, 10], copy: 0, first: 6 }, 6],
    [{ source: [4, 10], copy: 0, first: 2 }, 4],
    [{ source: [4, 10], copy: 0, first: 10 }, 10],
    [{ source: [4, 10], copy: 0, first: 11 }, 10],
    // The copy was deleted and made again: nothing of it is there.
    [{ source: [4, 10], copy: 0, at: [7, 3], ids: { copy: 'other' } }, 4],
  ])('%j: at offset %i', (given, offset) => {
    expect(start(given)).toEqual([offset, 0])
  })

  it('nowhere in a topic that has records of others', () => {
    const sentence = 'copy-0 has records of others: say another --topic'
    expect(() => start({ source: [0, 10], copy: 1 })).toThrow(sentence)
    const again = { at: [7, 3], ids: { copy: 'other' } } as const
    expect(() => start({ source: [0, 10], copy: 1, ...again })).toThrow(sentence)
  })
})

describe('a later run', () => {
  it('goes on where the position is, wherever a first one would begin', () => {
    expect(start({ source: [0, 10], copy: 3, at: [7, 3], first: 9 })).toEqual([7, 0])
    expect(start({ source: [7, 10], copy: 3, at: [7, 3] })).toEqual([7, 0])
    expect(start({ source: [0, 7], copy: 3, at: [7, 3] })).toEqual([7, 0])
  })

  it('passes the records that came into the copy after the position', () => {
    expect(start({ source: [0, 10], copy: 5, at: [7, 3] })).toEqual([7, 2])
    expect(start({ source: [0, 9], copy: 5, at: [7, 3] })).toEqual([7, 2])
  })

  it('passes as many fewer as the source has deleted of them', () => {
    expect(start({ source: [8, 10], copy: 5, at: [7, 3] })).toEqual([8, 1])
    expect(start({ source: [9, 10], copy: 5, at: [7, 3] })).toEqual([9, 0])
  })

  it('skips what is gone only when it may', () => {
    const gone: Given = { source: [9, 12], copy: 4, at: [7, 3] }
    expect(() => start(gone)).toThrow(
      'copy-0: the source has deleted offsets 8 to 8 before they were mirrored; ' +
        '--skip-deleted goes on behind them',
    )
    expect(start({ ...gone, skipDeleted: true })).toEqual([9, 0])
  })

  it.each<[string, Given, string]>([
    [
      'a source that lost records',
      { source: [0, 8], copy: 5, at: [7, 3] },
      'copy-0 is mirrored up to offset 9, and the source ends at 8',
    ],
    [
      'a copy that lost records',
      { source: [0, 10], copy: 2, at: [7, 3] },
      'copy-0 has lost 1 records that were mirrored',
    ],
    [
      'a source that was made again',
      { source: [0, 10], copy: 3, at: [7, 3], ids: { source: 'other' } },
      'copy-0 mirrors a topic that is another one by now',
    ],
  ])('refuses %s', (_, given, sentence) => {
    expect(() => start(given)).toThrow(sentence)
  })
})
