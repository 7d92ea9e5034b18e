import { describe, expect, it } from 'vitest'
import { ZERO_UUID } from '../../../src/base/uuid.js'
import { startOf, type PartitionFacts } from '../../../src/cli/copy/mirror-resume.js'

/** What is known, with only what a test is about. */
interface Given {
  /** [from, until) of the source. */
  readonly source: readonly [number, number]
  /** Where the copy ends. */
  readonly copy: number
  /** The position kept: source offset, copy offset. */
  readonly at?: readonly [number, number]
  readonly ids?: { readonly source?: string; readonly copy?: string; readonly known?: string }
  /** What the topic at the source is called. */
  readonly topic?: string
  readonly first?: number
  readonly skipDeleted?: boolean
  /** Where the source has the record the copy ends with. */
  readonly last?: number
}

function factsOf({ source, copy, at, ids = {}, ...more }: Given) {
  const { first, skipDeleted = false, last, topic = 'orders' } = more
  const position = at && {
    source: { topic: 'orders', topicId: ids.known ?? 's', offset: at[0] },
    target: { topicId: 't', offset: at[1] },
  }
  return {
    name: 'copy-0',
    position,
    source: { topic, topicId: ids.source ?? 's', from: source[0], until: source[1] },
    target: { topicId: ids.copy ?? 't', until: copy },
    first,
    skipDeleted,
    findLastCopied: ({ from }) =>
      Promise.resolve(last !== undefined && last >= from ? last : undefined),
  } satisfies PartitionFacts
}

const start = async (given: Given): Promise<readonly [number, number]> => {
  const { offset, copied } = await startOf(factsOf(given))
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
  ])('%j: at offset %i', async (given, offset) => {
    expect(await start(given)).toEqual([offset, 0])
  })

  it('a first run refuses a topic with records that no mirror wrote', async () => {
    const sentence = 'copy-0 has records up to offset 0 that no mirror wrote: use another --topic'
    await expect(start({ source: [0, 10], copy: 1 })).rejects.toThrow(sentence)
    const again = { at: [7, 3], ids: { copy: 'other' } } as const
    await expect(start({ source: [0, 10], copy: 1, ...again })).rejects.toThrow(sentence)
  })
})

describe('a later run', () => {
  it('a later run continues at the position, wherever a first run would begin', async () => {
    expect(await start({ source: [0, 10], copy: 3, at: [7, 3], first: 9 })).toEqual([7, 0])
    expect(await start({ source: [7, 10], copy: 3, at: [7, 3] })).toEqual([7, 0])
    expect(await start({ source: [0, 7], copy: 3, at: [7, 3] })).toEqual([7, 0])
  })

  it('a later run passes over the records that were copied after the position', async () => {
    expect(await start({ source: [0, 10], copy: 5, at: [7, 3] })).toEqual([7, 2])
    expect(await start({ source: [0, 9], copy: 5, at: [7, 3] })).toEqual([7, 2])
  })

  it("a later run continues after the copy's last record if the source has deleted some", async () => {
    expect(await start({ source: [8, 10], copy: 5, at: [7, 3], last: 8 })).toEqual([9, 0])
    expect(await start({ source: [9, 10], copy: 5, at: [7, 3] })).toEqual([9, 0])
  })

  it('a later run does not count gaps of the source as records', async () => {
    const gaps: Given = { source: [120, 160], copy: 60, at: [0, 0], last: 139 }
    expect(await start(gaps)).toEqual([140, 0])
    expect(await start({ ...gaps, skipDeleted: true })).toEqual([140, 0])
    expect(await start({ ...gaps, source: [30, 160], last: 139 })).toEqual([140, 0])
    const early = { ...gaps, source: [30, 160], last: 58 } as const // too few before it
    await expect(start(early)).rejects.toThrow('copy-0: its last record is not in the source from')
  })

  it('a later run skips deleted records only with --skip-deleted', async () => {
    const gone: Given = { source: [9, 12], copy: 3, at: [7, 3] }
    const sentence = 'copy-0: the source has deleted offsets 7 to 8 before they were mirrored'
    await expect(start(gone)).rejects.toThrow(`${sentence}; --skip-deleted continues after them`)
    expect(await start({ ...gone, skipDeleted: true })).toEqual([9, 0])
    const more: Given = { source: [9, 12], copy: 4, at: [7, 3] }
    await expect(start(more)).rejects.toThrow(
      'copy-0: the source has deleted offsets 8 to 8 before they were mirrored, if they were ' +
        'records; --skip-deleted continues after them',
    )
    expect(await start({ ...more, skipDeleted: true })).toEqual([9, 0])
  })

  it('a later run does not compare ids that brokers do not send', async () => {
    const given: Given = { source: [0, 10], copy: 3, at: [7, 3] }
    for (const ids of [{ known: ZERO_UUID }, { source: ZERO_UUID }]) {
      expect(await start({ ...given, ids })).toEqual([7, 0])
    }
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
      'copy-0 has lost 1 mirrored records',
    ],
    [
      'a source that was recreated',
      { source: [0, 10], copy: 3, at: [7, 3], ids: { source: 'other' } },
      'copy-0 mirrors a topic orders that was deleted and recreated since',
    ],
    [
      'a source of another name, even if brokers send no ids',
      {
        source: [0, 10],
        copy: 3,
        at: [7, 3],
        topic: 'payments',
        ids: { source: ZERO_UUID, known: ZERO_UUID },
      },
      'copy-0 mirrors orders, not payments: use another --topic',
    ],
  ])('refuses %s', async (_, given, sentence) => {
    await expect(start(given)).rejects.toThrow(sentence)
  })
})
