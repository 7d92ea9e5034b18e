import { describe, expect, it } from 'vitest'
import {
  checkGroupId,
  checkOffset,
  checkPartition,
  checkTopicName,
  isInternalTopic,
  isTopicName,
  partitionKey,
  topicsCollide,
} from '../../src/model/names.js'

describe('a topic name', () => {
  it.each([
    'a',
    'orders',
    'Orders.v2',
    'a_b-c.d',
    '-',
    '_',
    '...',
    '.a',
    '0',
    '__consumer_offsets',
    'x'.repeat(249),
  ])('a topic name may be %s', name => {
    expect(isTopicName(name)).toBe(true)
    expect(() => checkTopicName(name)).not.toThrow()
  })

  it.each([
    ['', 'the name is empty'],
    ['.', 'this name means a folder'],
    ['..', 'this name means a folder'],
    ['x'.repeat(250), 'has 250 characters, at most 249'],
    ['a/b', "only ASCII letters, digits, '.', '_' and '-'"],
    ['../a', 'only ASCII'],
    ['a\\b', 'only ASCII'],
    ['a b', 'only ASCII'],
    ['a\n', 'only ASCII'],
    ['a\0', 'only ASCII'],
    ['größe', 'only ASCII'],
    ['日本', 'only ASCII'],
    ['a:b', 'only ASCII'],
    ['*', 'only ASCII'],
    [undefined, 'a topic is named by a string'],
    [null, 'a topic is named by a string'],
    [7, 'a topic is named by a string'],
    [['a'], 'a topic is named by a string'],
  ])('a topic name is never %j', (name, reason) => {
    const check = (): void => checkTopicName(name)
    expect(check).toThrow(expect.objectContaining({ code: 'INVALID_TOPIC_EXCEPTION' }))
    expect(check).toThrow(reason)
    if (typeof name === 'string') expect(isTopicName(name)).toBe(false)
  })

  it('an endless topic name does not make an endless sentence', () => {
    let message = ''
    try {
      checkTopicName('x'.repeat(1_000_000))
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).toContain('1000000 characters')
    expect(message.length).toBeLessThan(300)
  })

  it('two topics are internal', () => {
    const internal = ['__consumer_offsets', '__cluster_metadata', '__other', 'orders']
    expect(internal.map(isInternalTopic)).toEqual([true, true, false, false])
  })

  it('a topic name collides with one that differs only in dots and underscores', () => {
    expect(topicsCollide('a.b', 'a_b')).toBe(true)
    expect(topicsCollide('a.b_c', 'a_b.c')).toBe(true)
    expect(topicsCollide('a.b', 'a.b')).toBe(false)
    expect(topicsCollide('a.b', 'a-b')).toBe(false)
    expect(topicsCollide('ab', 'a_b')).toBe(false)
  })
})

describe('a partition number', () => {
  it.each([0, 1, 99_998])('a partition number may be %i', partition => {
    expect(() => checkPartition(partition)).not.toThrow()
  })

  const badPartitions = [-1, 99_999, 1.5, NaN, Infinity, '0', null, undefined, 0n]
  it.each(badPartitions)('a partition number is never %s', partition => {
    expect(() => checkPartition(partition)).toThrow(
      expect.objectContaining({ code: 'INVALID_PARTITIONS' }),
    )
  })
})

describe('an offset', () => {
  it.each([0, 1, Number.MAX_SAFE_INTEGER])('an offset may be %i', offset => {
    expect(() => checkOffset(offset)).not.toThrow()
  })

  const badOffsets = [-1, 0.5, NaN, Infinity, 2 ** 53, '0', null, undefined, 7n]
  it.each(badOffsets)('an offset is never %s', offset => {
    expect(() => checkOffset(offset)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it("the error of an offset uses the caller's name for it", () => {
    expect(() => checkOffset(-1, 'seek')).toThrow('seek: expected a whole number')
  })
})

describe('a group id', () => {
  const goodIds = ['a', ' ', 'größe', 'any/thing:goes', 'x'.repeat(1024)]
  it.each(goodIds)('a group id may be %j', groupId => {
    expect(() => checkGroupId(groupId)).not.toThrow()
  })

  it.each(['', 'x'.repeat(1025), null, undefined, 7])('a group id is never %j', groupId => {
    expect(() => checkGroupId(groupId)).toThrow(
      expect.objectContaining({ code: 'INVALID_GROUP_ID' }),
    )
  })
})

describe('the key of a partition', () => {
  it('different partitions have different keys', () => {
    const keys = [partitionKey('a', 1), partitionKey('a-1', 1), partitionKey('a', 11)]
    expect(keys).toEqual(['a-1', 'a-1-1', 'a-11'])
  })
})
