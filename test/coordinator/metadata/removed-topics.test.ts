import { expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { randomUuid } from '../../../src/base/uuid.js'
import { RemovedTopics } from '../../../src/coordinator/metadata/removed-topics.js'

const random = seededRandom(7)

function removed(count: number) {
  const topics = new RemovedTopics()
  const ids = Array.from({ length: count }, () => randomUuid(random))
  ids.forEach((id, number) => topics.add(id, `t-${number}`))
  return { topics, ids }
}

it('every removed id is known, and no other', () => {
  const { topics, ids } = removed(5_000)
  expect(topics.count).toBe(5_000)
  for (const id of ids) expect(topics.has(id)).toBe(true)
  expect(topics.has(randomUuid(random))).toBe(false)
  expect(topics.has('no id')).toBe(false)
})

it('sixteen bytes that lie across two ids are not an id', () => {
  const topics = new RemovedTopics()
  const bytes = Buffer.from(Array.from({ length: 32 }, (_, index) => index))
  const idAt = (at: number) => bytes.subarray(at, at + 16).toString('base64url')
  topics.add(idAt(0), 'a')
  topics.add(idAt(16), 'b')
  expect([0, 8, 16].map(at => topics.has(idAt(at)))).toEqual([true, false, true])
})

it('the names since a count are those removed after it', () => {
  const { topics } = removed(5)
  expect([...topics.since(3)]).toEqual(['t-3', 't-4'])
  expect([...topics.since(5)]).toEqual([])
  expect([...topics.since(0)]).toHaveLength(5)
})

it('at least the last thousand names are kept, and not many more', () => {
  const { topics } = removed(50_000)
  expect([...topics.since(49_000)].at(0)).toBe('t-49000')
  expect(topics.since(0).size).toBeLessThanOrEqual(2_000)
})

it('a copy does not change with the original', () => {
  const { topics, ids } = removed(3)
  const copy = topics.copy()
  const later = randomUuid(random)
  topics.add(later, 'later')
  expect([copy.count, copy.has(later), copy.has(ids[2] as string)]).toEqual([3, false, true])
  expect([...copy.since(2)]).toEqual(['t-2'])
})
