/** Every message in every version: what goes in comes out; bytes that are none are refused. */

import { describe, expect, it } from 'vitest'
import { BytesError } from '../../src/base/bytes.js'
import { seededRandom, type Random } from '../../src/base/random.js'
import { randomUuid, ZERO_UUID } from '../../src/base/uuid.js'
import { APIS } from '../../src/protocol/api.js'
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../src/protocol/messages/consumer-protocol.js'
import {
  decodeVersioned,
  encodeVersioned,
  GROUP_METADATA_KIND,
  GROUP_METADATA_VALUE_VERSION,
  groupMetadataKey,
  groupMetadataValue,
  kindOf,
  offsetCommitKey,
  offsetCommitValue,
} from '../../src/protocol/messages/group-records.js'
import {
  brokerRegistrationChangeRecord,
  configRecord,
  decodeMetadataRecord,
  encodeMetadataRecord,
  partitionChangeRecord,
  partitionRecord,
  producerIdsRecord,
  registerBrokerRecord,
  removeTopicRecord,
  topicRecord,
  type MetadataRecord,
} from '../../src/protocol/messages/metadata-records.js'
import * as schema from '../../src/protocol/schema.js'
import { decode, encode, type Message, type Type } from '../../src/protocol/schema.js'
import { vector } from '../golden/vectors.js'

const MESSAGES: readonly Message<unknown>[] = [
  ...Object.values(APIS).flatMap(api => [api.request, api.response]),
  offsetCommitKey,
  offsetCommitValue,
  groupMetadataKey,
  groupMetadataValue,
  consumerProtocolSubscription,
  consumerProtocolAssignment,
  topicRecord,
  partitionRecord,
  configRecord,
  removeTopicRecord,
  partitionChangeRecord,
  registerBrokerRecord,
  brokerRegistrationChangeRecord,
  producerIdsRecord,
] as readonly Message<unknown>[]

/**
 * Makes up a value of any layout: a reader that answers every question by a throw of the dice. It
 * is asked as in a version that is not flexible, so lengths and counts are plain integers.
 */
class DiceReader {
  readonly position = 0
  readonly #random: Random
  #elements = 0

  constructor(random: Random) {
    this.#random = random
  }

  int8 = (): number => this.#random.int(256) - 128
  int16 = (): number => this.#integer(2 ** 15)
  uint16 = (): number => this.#random.int(2 ** 16)
  int32 = (): number => this.#integer(2 ** 31)
  int64 = (): number => (this.#random.int(2 ** 31) - 2 ** 30) * 2 ** 20 + this.#random.int(2 ** 20)
  float64 = (): number => (this.#random.int(2 ** 31) - 2 ** 30) / 2 ** 10
  bytes = (length: number): Buffer =>
    Buffer.from(this.#random.bytes(length === 16 ? 16 : length % 5))
  utf8 = (length: number): string => [...'aä€😀xyz'].slice(0, length % 7).join('')
  count = (value: number): number => (this.#elements++ > 40 ? 0 : value % 4)

  /** A value, a length or a count; now and then the length of null. */
  #integer(bound: number): number {
    return this.#random.int(30) === 0 ? -1 : this.#random.int(bound)
  }
}

function randomValue(message: Message<unknown>, version: number, random: Random): unknown {
  for (;;) {
    try {
      const layout = { version, isFlexible: false }
      return message.type.read(new DiceReader(random) as never, layout)
    } catch (error) {
      // The dice said null where there must be a value: once more.
      if (!(error instanceof BytesError)) throw error
    }
  }
}

const versionsOf = ({ versions: [min, max] }: Message<unknown>): number[] =>
  Array.from({ length: max - min + 1 }, (_, n) => min + n)

const isFlexible = ({ versions, flexibleSince }: Message<unknown>): boolean =>
  flexibleSince <= versions[1]

describe('every message', () => {
  it.each(MESSAGES.map(message => [message.name, message] as const))(
    '%s is decoded as it was encoded, in every version',
    (_, message) => {
      const random = seededRandom(1)
      for (const version of versionsOf(message)) {
        for (let round = 0; round < 15; round++) {
          const value = randomValue(message, version, random)
          const bytes = encode(message, value, version)
          const back = decode(message, bytes, version)
          expect(back, `version ${version}`).toEqual(value)
          expect(encode(message, back, version).equals(bytes)).toBe(true)
        }
      }
    },
  )

  it.each(MESSAGES.map(message => [message.name, message] as const))(
    '%s refuses bytes that are cut off or left over',
    (_, message) => {
      const random = seededRandom(2)
      for (const version of versionsOf(message)) {
        const bytes = encode(message, randomValue(message, version, random), version)
        const more = Buffer.concat([bytes, Buffer.alloc(1)])
        expect(() => decode(message, more, version)).toThrow('1 bytes left over')
        for (let end = 0; end < bytes.length; end++) {
          expect(() => decode(message, bytes.subarray(0, end), version)).toThrow(BytesError)
        }
      }
    },
  )

  it.each(MESSAGES.map(message => [message.name, message] as const))(
    '%s decodes random bytes to a value or a BytesError, without large memory',
    (_, message) => {
      const random = seededRandom(3)
      for (const version of versionsOf(message)) {
        for (let round = 0; round < 20; round++) {
          const bytes = encode(message, randomValue(message, version, random), version)
          for (let n = random.int(3); n >= 0 && bytes.length > 0; n--) {
            bytes[random.int(bytes.length)] = [0, 0x7f, 0x80, 0xff][random.int(4)] as number
          }
          try {
            const value = decode(message, bytes, version)
            expect(JSON.stringify(value).length).toBeLessThan(200_000)
          } catch (error) {
            expect(error).toBeInstanceOf(BytesError)
          }
        }
      }
    },
  )

  it.each(MESSAGES.filter(isFlexible).map(message => [message.name, message] as const))(
    '%s skips unknown tagged fields in every flexible version',
    (_, message) => {
      const random = seededRandom(4)
      for (const version of versionsOf(message)) {
        if (version < message.flexibleSince) continue
        const value = randomValue(message, version, random)
        const bytes = encode(message, value, version)
        // The last byte counts the tagged fields: none. Now there is one, with three bytes.
        expect(bytes.at(-1)).toBe(0)
        const tagged = Buffer.from([1, 99, 3, 1, 2, 3])
        const more = Buffer.concat([bytes.subarray(0, -1), tagged])
        expect(decode(message, more, version), `version ${version}`).toEqual(value)
      }
    },
  )

  it('a message has the versions of its range only', () => {
    for (const message of MESSAGES) {
      const [min, max] = message.versions
      for (const version of [min - 1, max + 1]) {
        expect(() => decode(message, Buffer.alloc(0), version)).toThrow(
          `${message.name} v${version} is outside ${min}–${max}`,
        )
        expect(() => encode(message, {}, version)).toThrow('is outside')
      }
    }
  })

  it('every API has its own number', () => {
    const keys = Object.values(APIS).map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
    for (const [name, { request, response }] of Object.entries(APIS)) {
      expect([request.name, response.name]).toEqual([`${name}Request`, `${name}Response`])
      expect(request.versions).toEqual(response.versions)
      expect(request.flexibleSince).toBe(response.flexibleSince)
    }
  })
})

describe("Kafka's bytes", () => {
  const KEY = { group: 'g1', topic: 'orders', partition: 3 }
  const VALUE = {
    offset: 1234,
    leaderEpoch: 5,
    metadata: 'm',
    commitTimestamp: 1_700_000_000_000,
  }

  it("the key of a committed offset has Kafka's bytes", () => {
    expect(encodeVersioned(offsetCommitKey, KEY, 1)).toEqual(
      Buffer.from('00010002673100066f726465727300000003', 'hex'),
    )
    const golden = vector('offsetKey')
    expect(kindOf(golden)).toBe(1)
    expect(decodeVersioned(offsetCommitKey, golden)).toEqual(KEY)
  })

  it.each([0, 1, 2, 3, 4])("a committed offset in version %i has Kafka's bytes", version => {
    const golden = vector(`offsetValue_v${version}`)
    const value = decodeVersioned(offsetCommitValue, golden)
    expect(value).toMatchObject({ offset: 1234, commitTimestamp: VALUE.commitTimestamp })
    expect(value.leaderEpoch).toBe(version >= 3 ? 5 : -1)
    expect(value.topicId).toBe(ZERO_UUID)
    expect(encodeVersioned(offsetCommitValue, value, version)).toEqual(golden)
  })

  it("a committed offset with a topic id has Kafka's bytes", () => {
    const golden = vector('offsetValue_v4_topicid')
    const value = decodeVersioned(offsetCommitValue, golden)
    expect(Buffer.from(value.topicId as string, 'base64url').toString('hex')).toBe(
      '0123456789abcdef1122334455667788',
    )
    expect(encodeVersioned(offsetCommitValue, value, 4)).toEqual(golden)
  })

  it("the key of a group has Kafka's bytes", () => {
    const golden = vector('groupKey')
    const key = { group: 'g1' }
    expect(encodeVersioned(groupMetadataKey, key, GROUP_METADATA_KIND)).toEqual(golden)
    expect(decodeVersioned(groupMetadataKey, golden)).toEqual(key)
  })

  const GROUP = {
    protocolType: 'consumer',
    generation: 4,
    protocol: 'range',
    leader: 'm-1',
    currentStateTimestamp: VALUE.commitTimestamp,
    members: [
      {
        memberId: 'm-1',
        groupInstanceId: null,
        clientId: 'c',
        clientHost: '/127.0.0.1',
        rebalanceTimeout: 300_000,
        sessionTimeout: 45_000,
      },
    ],
  }
  const EMPTY_GROUP = { ...GROUP, generation: 5, protocol: null, leader: null, members: [] }

  it("a group with a member has Kafka's bytes", () => {
    const golden = vector('groupValue_v3')
    const value = decodeVersioned(groupMetadataValue, golden)
    expect(value).toMatchObject(GROUP)
    expect(encodeVersioned(groupMetadataValue, value, GROUP_METADATA_VALUE_VERSION)).toEqual(golden)
  })

  it('older versions of a group leave out the later fields', () => {
    const golden = vector('groupValue_v3')
    const timestamp = golden.indexOf(vector('groupValue_v3_empty').subarray(-12, -4))
    const instance = golden.indexOf('ffff0001', 'hex')
    const rebalance = golden.indexOf('000493e0', 'hex')
    /** The golden bytes without some of them. */
    const older = (version: number, ...gone: readonly (readonly [number, number])[]) => {
      const kept = [...golden].filter((_, at) =>
        gone.every(([start, length]) => at < start || at >= start + length),
      )
      return Buffer.from([0, version, ...kept.slice(2)])
    }
    const [member] = GROUP.members
    const v2 = older(2, [instance, 2])
    const v1 = older(1, [instance, 2], [timestamp, 8])
    const v0 = older(0, [instance, 2], [timestamp, 8], [rebalance, 4])
    expect(decodeVersioned(groupMetadataValue, v2)).toMatchObject(GROUP)
    expect(decodeVersioned(groupMetadataValue, v1)).toMatchObject({
      ...GROUP,
      currentStateTimestamp: -1,
    })
    expect(decodeVersioned(groupMetadataValue, v0)).toMatchObject({
      ...GROUP,
      currentStateTimestamp: -1,
      members: [{ ...member, rebalanceTimeout: -1 }],
    })
    for (const [version, bytes] of [v0, v1, v2].entries()) {
      const value = decodeVersioned(groupMetadataValue, bytes)
      expect(encodeVersioned(groupMetadataValue, value, version)).toEqual(bytes)
    }
  })

  it("a group without members has Kafka's bytes", () => {
    const golden = vector('groupValue_v3_empty')
    expect(decodeVersioned(groupMetadataValue, golden)).toEqual(EMPTY_GROUP)
    expect(encodeVersioned(groupMetadataValue, EMPTY_GROUP, GROUP_METADATA_VALUE_VERSION)).toEqual(
      golden,
    )
  })

  it('the version of a key is the kind of the record', () => {
    expect(kindOf(vector('groupKey'))).toBe(2)
    expect([null, Buffer.alloc(0), Buffer.alloc(1)].map(kindOf)).toEqual(Array(3).fill(undefined))
  })
})

describe('the records of the metadata log', () => {
  const random = seededRandom(4)
  const topicId = randomUuid(random)
  const RECORDS: readonly MetadataRecord[] = [
    { kind: 'Topic', name: 'orders', topicId },
    {
      kind: 'Partition',
      partitionId: 3,
      topicId,
      replicas: [1, 2],
      isr: [1],
      leader: 1,
      leaderEpoch: 4,
      partitionEpoch: 9,
    },
    { kind: 'Config', resourceType: 2, resourceName: 'orders', name: 'retention.ms', value: '5' },
    { kind: 'Config', resourceType: 2, resourceName: 'orders', name: 'retention.ms', value: null },
    { kind: 'RemoveTopic', topicId },
    { kind: 'ProducerIds', brokerId: 1, brokerEpoch: -1, nextProducerId: 3_000 },
  ]

  it.each(RECORDS.map(record => [record.kind, record] as const))('the metadata record %s is decoded as it was encoded', (_, record) => {
    expect(decodeMetadataRecord(encodeMetadataRecord(record))).toMatchObject(record)
  })

  it('a metadata record begins with frame, type and version', () => {
    const heads = RECORDS.map(record => [...encodeMetadataRecord(record).subarray(0, 3)])
    expect(heads).toEqual([
      [1, 2, 0],
      [1, 3, 1],
      [1, 4, 0],
      [1, 4, 0],
      [1, 9, 0],
      [1, 15, 0],
    ])
  })

  it('metadata records of an unknown type are skipped, those of an unknown frame are refused', () => {
    expect(decodeMetadataRecord(Buffer.from([1, 28, 0, 1, 2, 3]))).toBeUndefined()
    expect(() => decodeMetadataRecord(Buffer.from([2, 2, 0]))).toThrow('frame version 2')
    expect(() => decodeMetadataRecord(Buffer.alloc(0))).toThrow(BytesError)
    expect(() => decodeMetadataRecord(Buffer.from([1, 2, 9, 0]))).toThrow('TopicRecord v9')
  })
})

describe('fields', () => {
  const { array, between, bool, int32, message, nullableString, since, string, struct } = schema
  const { tagged, unsent, until, uuid, withDefault } = schema
  const example = message(
    'Example',
    { versions: [0, 5], flexibleSince: 3 },
    {
      name: string,
      early: until(1, int32, 7),
      late: since(4, int32, -1),
      middle: between([2, 3], bool, true),
      note: withDefault(nullableString, null),
      inner: withDefault(array(struct({ id: int32 })), []),
      extra: tagged(0, 3, int32, 5),
      more: tagged(2, 5, string, ''),
      here: unsent('inside'),
    },
  )

  it('a field has its fallback in versions without it', () => {
    const value = { name: 'n', early: 1, late: 2, middle: false, extra: 6, more: 'm', here: 'x' }
    const seen = [0, 1, 2, 3, 4, 5].map(version => {
      const { early, late, middle, extra, more, here } = decode(
        example,
        encode(example, value, version),
        version,
      )
      return [early, late, middle, extra, more, here]
    })
    expect(seen).toEqual([
      [1, -1, true, 5, '', 'inside'],
      [1, -1, true, 5, '', 'inside'],
      [7, -1, false, 5, '', 'inside'],
      [7, -1, false, 6, '', 'inside'],
      [7, 2, true, 6, '', 'inside'],
      [7, 2, true, 6, 'm', 'inside'],
    ])
  })

  it('a field with a fallback may be left out', () => {
    expect(decode(example, encode(example, { name: 'n' }, 5), 5)).toEqual({
      name: 'n',
      early: 7,
      late: -1,
      middle: true,
      note: null,
      inner: [],
      extra: 5,
      more: '',
      here: 'inside',
    })
  })

  it("fields have the bytes of Kafka's protocol", () => {
    const hex = (version: number): string =>
      encode(example, { name: 'né', inner: [{ id: 258 }], extra: 1 }, version).toString('hex')
    // int16 length, int32 count
    expect(hex(0)).toBe('00036ec3a9' + '00000007' + 'ffff' + '00000001' + '00000102')
    // length + 1 as a varint, tagged fields at the end of each structure
    expect(hex(3)).toBe('046ec3a9' + '01' + '00' + '02' + '00000102' + '00' + '01000400000001')
  })

  it('unknown tagged fields are skipped', () => {
    const bytes = Buffer.from('026e' + '00' + '01' + '02' + '0703ffffff' + '000400000009', 'hex')
    // Version 3 has `middle` between name and note.
    const withMiddle = Buffer.concat([bytes.subarray(0, 2), Buffer.from([1]), bytes.subarray(2)])
    expect(decode(example, withMiddle, 3)).toMatchObject({ name: 'n', extra: 9 })
  })

  it('null for a value that is not nullable and an impossible count are refused', () => {
    expect(() => decode(example, Buffer.from('ffff', 'hex'), 2)).toThrow('null at byte 2')
    const endless = Buffer.from('0000' + '00000001' + 'ffff' + '7fffffff', 'hex')
    expect(() => decode(example, endless, 0)).toThrow('count 2147483647 at byte')
    const claims = message('Claims', { versions: [0, 0], flexibleSince: 9 }, { at: array(uuid) })
    expect(() => decode(claims, Buffer.from('00000002' + '00'.repeat(31), 'hex'), 0)).toThrow(
      'count 2',
    )
    // Of things that take no room there are not two billion, either.
    const nothing = { of: array(struct({ later: since(5, int32, 0) })) }
    const empty = message('Empty', { versions: [0, 5], flexibleSince: 9 }, nothing)
    expect(() => decode(empty, Buffer.from('7fffffff', 'hex'), 0)).toThrow('count 2147483647')
  })

  it('a field of ids refuses a text that is no id', () => {
    const ids = message('Ids', { versions: [0, 0], flexibleSince: 0 }, { id: uuid })
    expect(() => encode(ids, { id: 'nonsense' }, 0)).toThrow('"nonsense" is not a uuid')
  })

  it('a field states the minimum bytes of its values', () => {
    const least: readonly [Type<unknown>, number][] = [
      [schema.int8, 1],
      [schema.int64, 8],
      [uuid, 16],
      [struct({ a: schema.int16, b: int32, c: since(3, schema.int64, 0) }), 6],
    ] as readonly [Type<unknown>, number][]
    for (const [type, minBytes] of least) expect(type.minBytes).toBe(minBytes)
  })
})
