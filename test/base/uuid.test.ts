import { describe, expect, it } from 'vitest'
import { seededRandom, systemRandom, type Random } from '../../src/base/random.js'
import {
  METADATA_TOPIC_ID,
  randomUuid,
  uuidFromBytes,
  uuidHex,
  uuidToBytes,
  ZERO_UUID,
} from '../../src/base/uuid.js'

const HEX = '0123456789abcdef1122334455667788'

describe('an id', () => {
  it('an id is 22 characters of URL-safe base64 and decodes to the same sixteen bytes', () => {
    const bytes = Buffer.from(HEX, 'hex')
    const text = uuidFromBytes(bytes)
    expect(text).toBe('ASNFZ4mrze8RIjNEVWZ3iA')
    expect(uuidToBytes(text)).toEqual(bytes)
    expect(uuidHex(text)).toBe(HEX)
  })

  it('the reserved ids are valid', () => {
    expect(uuidHex(ZERO_UUID)).toBe('0'.repeat(32))
    expect(uuidHex(METADATA_TOPIC_ID)).toBe(`${'0'.repeat(31)}1`)
    expect(uuidToBytes(ZERO_UUID)).toEqual(Buffer.alloc(16))
  })

  it.each([
    '',
    'short',
    'ASNFZ4mrze8RIjNEVWZ3i',
    'ASNFZ4mrze8RIjNEVWZ3iAA',
    'ASNFZ4mrze8RIjNEVWZ3i+',
    'ASNFZ4mrze8RIjNEVWZ/iA',
    'ASNFZ4mrze8RIjNEVWZ3iA==',
    // The last character holds two bits only: any other would come back as another text.
    'ASNFZ4mrze8RIjNEVWZ3iB',
    'ASNFZ4mrze8RIjNEVWZ3i ',
    '01234567-89ab-cdef-1122-334455667788',
  ])('%j is not a valid id', text => {
    expect(uuidToBytes(text)).toBeUndefined()
  })
})

describe('a fresh id', () => {
  it.each([
    ['seeded', seededRandom(1)],
    ['of the system', systemRandom()],
  ])('a new id from (%s) has version 4, never begins with a dash, and is unique', (_, random) => {
    const seen = new Set<string>()
    for (let n = 0; n < 500; n++) {
      const id = randomUuid(random)
      const bytes = uuidToBytes(id) as Buffer
      expect(bytes).toHaveLength(16)
      expect([(bytes[6] as number) >> 4, (bytes[8] as number) >> 6]).toEqual([4, 2])
      expect(id.startsWith('-')).toBe(false)
      seen.add(id)
    }
    expect(seen.size).toBe(500)
  })

  it('an id that would begin with a dash is drawn again', () => {
    const draws = [Buffer.alloc(16, 0xfb), Buffer.from(HEX, 'hex')]
    const random: Random = { int: () => 0, bytes: () => draws.shift() as Uint8Array }
    expect(uuidFromBytes(Buffer.alloc(16, 0xfb)).startsWith('-')).toBe(true)
    expect(uuidHex(randomUuid(random))).toBe('0123456789ab4def9122334455667788')
  })
})

describe('chance', () => {
  it('the same seed gives the same random values, another seed gives others', () => {
    const draw = (seed: number): number[] => {
      const random = seededRandom(seed)
      return Array.from({ length: 20 }, () => random.int(1000))
    }
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })

  it.each([
    ['seeded', seededRandom(3)],
    ['of the system', systemRandom()],
  ])('random integers of (%s) stay in their bounds and reach all values', (_, random) => {
    const counts = Array<number>(7).fill(0)
    for (let n = 0; n < 7000; n++) counts[random.int(7)]!++
    expect(counts).toHaveLength(7)
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(250)
    expect(random.int(1)).toBe(0)
    expect([random.bytes(0).length, random.bytes(9).length]).toEqual([0, 9])
  })
})
