import { describe, expect, it } from 'vitest'
import { javaHash, murmur2, partitionOfGroup, partitionOfKey } from '../../src/model/hashes.js'
import { vectorLines } from '../golden/vectors.js'

/*
 * Known answers: computed with org.apache.kafka.common.utils.Utils of kafka-clients 3.9.1,
 * `murmur2(bytes)` and `toPositive(murmur2(bytes)) % n` for n = 3, 12 and 50.
 */
const TEXTS: readonly [key: string, hash: number, of3: number, of12: number, of50: number][] = [
  ['', 275646681, 0, 9, 31],
  ['a', -1563381124, 1, 4, 24],
  ['ab', 316155434, 2, 2, 34],
  ['abc', 479470107, 0, 3, 7],
  ['abcd', -1323649548, 2, 8, 0],
  ['abcde', 461995741, 1, 1, 41],
  ['abcdef', 1870650108, 0, 0, 8],
  ['abcdefg', -346467175, 1, 1, 23],
  ['abcdefgh', -955427363, 0, 9, 35],
  ['0', 971027396, 2, 8, 46],
  ['21', -973932308, 0, 0, 40],
  ['foobar', -790332482, 0, 6, 16],
  ['a-little-bit-long-string', -985981536, 2, 8, 12],
  ['a-little-bit-longer-string', -1486304829, 2, 11, 19],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971, 2, 5, 27],
  ['order-42', 501153024, 0, 0, 24],
  ['order-123', -940440895, 1, 1, 3],
  ['customer:9001', -20493808, 1, 4, 40],
  ['550e8400-e29b-41d4-a716-446655440000', 2143099391, 2, 11, 41],
  ['user@example.com', -1467683948, 0, 0, 0],
  ['The quick brown fox jumps over the lazy dog', 495243318, 0, 6, 18],
  ['ü', 1419834458, 2, 2, 8],
  ['€', -1352192002, 1, 10, 46],
  ['😀', 131881617, 0, 9, 17],
  ['grüße', 1943707148, 2, 8, 48],
  ['日本語', 1431860170, 1, 10, 20],
  ['k1', 1684045097, 2, 5, 47],
  ['k2', 380483553, 0, 9, 3],
  ['k3', 1676809936, 1, 4, 36],
]

const BYTES: readonly [hex: string, hash: number, of3: number, of12: number, of50: number][] = [
  ['00', 375494588, 2, 8, 38],
  ['ff', -311467685, 0, 3, 13],
  ['80', 857690492, 2, 8, 42],
  ['0000', 595382058, 0, 6, 8],
  ['000000', 1013532917, 2, 5, 17],
  ['00000000', 850957120, 1, 4, 20],
  ['ffffffff', 644171429, 2, 5, 29],
  ['8080808080', -1525148316, 2, 8, 32],
  ['01020304050607', -528389943, 2, 5, 5],
  ['fffefdfcfbfaf9f8f7', -248068958, 0, 6, 40],
  ['000000000000002a', 506863552, 1, 4, 2],
  ['7fffffff', -1009756325, 0, 3, 23],
  ['80000000', -65415266, 0, 6, 32],
  [Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('hex'), -1948347274, 1, 10, 24],
]

describe('murmur2', () => {
  it.each(TEXTS)('murmur2 of the text %j agrees with Kafka', (key, hash, of3, of12, of50) => {
    const bytes = Buffer.from(key)
    expect(murmur2(bytes)).toBe(hash)
    expect([3, 12, 50].map(count => partitionOfKey(bytes, count))).toEqual([of3, of12, of50])
  })

  it.each(BYTES)('murmur2 of the bytes %s agrees with Kafka', (hex, hash, of3, of12, of50) => {
    const bytes = Buffer.from(hex, 'hex')
    expect(murmur2(bytes)).toBe(hash)
    expect([3, 12, 50].map(count => partitionOfKey(bytes, count))).toEqual([of3, of12, of50])
  })

  it("murmur2 agrees with every line of Kafka's golden vectors", () => {
    const lines = vectorLines('murmur2')
    expect(lines).toHaveLength(8)
    for (const line of lines) {
      const [key, hash, , of12] = line.split(' ') as [string, string, string, string]
      const bytes = Buffer.from(key === '<empty>' ? '' : key)
      expect(murmur2(bytes), line).toBe(Number(hash))
      expect(`%12=${partitionOfKey(bytes, 12)}`).toBe(of12)
    }
  })

  it('murmur2 depends on the bytes only, not on their place in memory', () => {
    const memory = new Uint8Array(100).fill(0xee)
    for (let start = 0; start < 9; start++) {
      memory.set(Buffer.from('abcdefg'), start)
      expect(murmur2(memory.subarray(start, start + 7))).toBe(-346467175)
    }
  })

  it('murmur2 of the first bytes of a larger buffer ignores the rest', () => {
    const scratch = Buffer.from('abcdefgh')
    const hashes = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(length => murmur2(scratch, length))
    expect(hashes).toEqual(TEXTS.slice(0, 9).map(([, hash]) => hash))
  })

  it('every partition gets its share of keys', () => {
    const counts = Array<number>(6).fill(0)
    for (let n = 0; n < 6000; n++) counts[partitionOfKey(Buffer.from(`key-${n}`), 6)]!++
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })

  it('all keys go to partition 0 of a topic with one partition', () => {
    for (const [key] of TEXTS) expect(partitionOfKey(Buffer.from(key), 1)).toBe(0)
  })
})

describe("Java's hash of a string", () => {
  it("javaHash agrees with every line of Kafka's golden vectors", () => {
    const lines = vectorLines('javahash')
    expect(lines).toHaveLength(6)
    for (const line of lines) {
      const [word, hash, of50] = line.split(' ') as [string, string, string]
      const text = word === '<empty>' ? '' : word.replace('U+1F600', '😀')
      expect(javaHash(text), line).toBe(Number(hash))
      expect(`%50=${partitionOfGroup(text, 50)}`, line).toBe(of50)
    }
  })
})
