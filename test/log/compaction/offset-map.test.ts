import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { OffsetMap } from '../../../src/log/compaction/offset-map.js'

const PAGE_BYTES = 24 * 1024

function put(map: OffsetMap, key: string, offset: number): boolean {
  const bytes = Buffer.from(`..${key}.`)
  return map.put(bytes, { start: 2, end: bytes.length - 1 }, offset)
}

function get(map: OffsetMap, key: string): number {
  const bytes = Buffer.from(key)
  return map.get(bytes, { start: 0, end: bytes.length })
}

describe('the offset map', () => {
  it('the offset map returns the offset that was last put', () => {
    const map = new OffsetMap(seededRandom(1))
    expect(get(map, 'a')).toBe(-1)
    expect(put(map, 'a', 0)).toBe(true)
    expect(put(map, 'b', 7)).toBe(true)
    expect(put(map, 'a', 2 ** 52)).toBe(true)
    expect(put(map, '', 9)).toBe(true)
    expect(['a', 'b', '', 'c'].map(key => get(map, key))).toEqual([2 ** 52, 7, 9, -1])
    expect(map.count).toBe(3)
  })

  it('the offset map keeps every key while its pages split', () => {
    const map = new OffsetMap(seededRandom(2))
    const bytesBefore = map.bytes
    for (let index = 0; index < 50_000; index++) put(map, `key-${index}`, index)
    for (let index = 0; index < 50_000; index += 3) put(map, `key-${index}`, 100_000 + index)
    for (let index = 0; index < 50_000; index++) {
      const expected = index % 3 === 0 ? 100_000 + index : index
      if (get(map, `key-${index}`) !== expected) expect.fail(`key-${index}`)
    }
    expect(map.count).toBe(50_000)
    expect(get(map, 'key-50000')).toBe(-1)
    expect(bytesBefore).toBe(PAGE_BYTES)
    // 24 bytes a key, in pages that are somewhat more than half full.
    expect(map.bytes).toBeLessThan(50_000 * 24 * 2)
  })

  it('a full offset map refuses a new key', () => {
    const maxBytes = 8 * PAGE_BYTES
    const map = new OffsetMap(seededRandom(3), maxBytes)
    let taken = 0
    while (put(map, `key-${taken}`, taken)) taken++
    expect(map.bytes).toBeLessThanOrEqual(maxBytes)
    expect(taken).toBeGreaterThan(8 * 1024 * 0.4)
    expect(map.count).toBe(taken)
    // What is in it stays, and may still change.
    expect(put(map, 'key-0', 77_777)).toBe(true)
    expect(get(map, 'key-0')).toBe(77_777)
    expect(get(map, `key-${taken}`)).toBe(-1)
    for (let index = 1; index < taken; index++) expect(get(map, `key-${index}`)).toBe(index)
  })

  it('the offset map holds at least one page, however small its limit', () => {
    const map = new OffsetMap(seededRandom(4), 1)
    expect(put(map, 'a', 1)).toBe(true)
    expect(map.bytes).toBe(PAGE_BYTES)
  })
})
