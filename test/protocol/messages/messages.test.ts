import { describe, expect, it } from 'vitest'
import { uuidFromBytes, ZERO_UUID } from '../../../src/base/uuid.js'
import { APIS } from '../../../src/protocol/api.js'
import {
  apiVersionsRequest,
  apiVersionsResponse,
} from '../../../src/protocol/messages/api-versions.js'
import { decode, encode, type Message } from '../../../src/protocol/schema.js'
import { MESSAGES, numberOf } from '../../golden/messages.js'

const LAYOUTS = new Map<string, Message<unknown>>([
  ['ApiVersionsRequest', apiVersionsRequest as Message<unknown>],
  ['ApiVersionsResponse', apiVersionsResponse as Message<unknown>],
])
for (const [api, { request, response }] of Object.entries(APIS)) {
  LAYOUTS.set(`${api}Request`, request as Message<unknown>)
  LAYOUTS.set(`${api}Response`, response as Message<unknown>)
}

/** What fields hold that a version does not have. */
const ABSENT: readonly unknown[] = [
  ...[0, 1, 16, -1, -2, 60_000, 2 ** 31 - 1, -(2 ** 31), Number.MAX_SAFE_INTEGER, '', null, ZERO_UUID],
  undefined, // a field that is never sent
]

/** An endpoint's type has few values; the version of a client is not in the bytes. */
const UNNAMED = new Set(['endpointType', 'clientVersion'])

/** Fields that do not hold the value that their name calls for. */
function misplaced(value: unknown, key: string): string[] {
  if (Array.isArray(value)) return value.flatMap(each => misplaced(each, key))
  if (value instanceof Uint8Array) return misplaced(Buffer.from(value).toString(), key)
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([name, field]) => misplaced(field, name))
  }
  const uuid = uuidFromBytes(Buffer.alloc(16, numberOf(key)))
  const expected = typeof value === 'string' ? [key, uuid] : [numberOf(key)]
  if (typeof value === 'boolean' || expected.includes(value as never)) return []
  return ABSENT.includes(value) || UNNAMED.has(key) ? [] : [`${key}: ${String(value)}`]
}

const idOf = ({ name, version, nullField }: (typeof MESSAGES)[number]): string =>
  `${name} v${version}${nullField === undefined ? '' : `, ${nullField} null`}`

const NAMES = [...LAYOUTS.keys()]

describe("bytes that Kafka's definitions give", () => {
  it.each(NAMES)("Kafka's bytes of %s are decoded and encoded in every version", name => {
    const layout = LAYOUTS.get(name) as Message<unknown>
    for (const vector of MESSAGES) {
      const { version, bytes, nullField, isRefused } = vector
      if (vector.name !== name || isRefused) continue
      const value = decode(layout, bytes, version)
      expect(misplaced(value, ''), idOf(vector)).toEqual([])
      // A tagged field that is null by default is left out.
      if (nullField === 'clusterId') continue
      const written = encode(layout, value, version).toString('hex')
      expect(written, idOf(vector)).toBe(bytes.toString('hex'))
    }
  })

  it('null for a field that is not nullable in a version is refused', () => {
    const refused = MESSAGES.filter(({ isRefused }) => isRefused)
    expect(refused.length).toBeGreaterThan(30)
    for (const { name, version, bytes } of refused) {
      const layout = LAYOUTS.get(name) as Message<unknown>
      expect(() => decode(layout, bytes, version), `${name} v${version}`).toThrow('is not allowed')
    }
  })

  it("every served version has Kafka's bytes to compare with", () => {
    const served = [...LAYOUTS].flatMap(
      ([
        name,
        {
          versions: [min, max],
        },
      ]) => Array.from({ length: max - min + 1 }, (_, index) => `${name} v${min + index}`),
    )
    const known = new Set(MESSAGES.filter(({ isRefused }) => !isRefused).map(idOf))
    expect(served.filter(each => !known.has(each))).toEqual([])
  })

  it('null is encoded as an empty text in versions without null', () => {
    const topic = { errorCode: 100, name: null, partitions: [] }
    const answer = { brokers: [], topics: [topic] }
    for (const [version, name] of [
      [11, ''],
      [12, null],
    ] as const) {
      const bytes = encode(APIS.Metadata.response, answer, version)
      expect(decode(APIS.Metadata.response, bytes, version).topics).toMatchObject([{ name }])
    }
  })
})
