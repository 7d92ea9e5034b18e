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
  ])('may be %s', name => {
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
  ])('is never %j', (name, reason) => {
    const check = (): void => checkTopicName(name)
    expect(check).toThrow(expect.objectContaining({ code: 'INVALID_TOPIC_EXCEPTION' }))
    expect(check).toThrow(reason)
    if (typeof name === 'string') expect(isTopicName(name)).toBe(false)
  })

  it('that is endless does not make an endless sentence', () => {
    let message = ''
    try {
      checkTopicName('x'.repeat(1_000_000))
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).toContain('1000000 characters')
    expect(message.length).toBeLessThan(300)
  })

  it('belongs to the system for two topics', () => {
    const internal = ['__consumer_offsets', '__cluster_metadata', '__other', 'orders']
    expect(internal.map(isInternalTopic)).toEqual([true, true, false, false])
  })

  it('collides with one that differs only in dots and underscores', () => {
    expect(topicsCollide('a.b', 'a_b')).toBe(true)
    expect(topicsCollide('a.b_c', 'a_b.c')).toBe(true)
    expect(topicsCollide('a.b', 'a.b')).toBe(false)
    expect(topicsCollide('a.b', 'a-b')).toBe(false)
    expect(topicsCollide('ab', 'a_b')).toBe(false)
  })
})

describe('a partition number', () => {
  it.each([0, 1, 99_998])('may be %i', partition => {
    expect(() => checkPartition(partition)).not.toThrow()
  })

  it.each([-1, 99_999, 1.5, NaN, Infinity, '0', null, undefined, 0n])('is never %s', partition => {
    expect(() => checkPartition(partition)).toThrow(
      expect.objectContaining({ code: 'INVALID_PARTITIONS' }),
    )
  })
})

describe('an offset', () => {
  it.each([0, 1, Number.MAX_SAFE_INTEGER])('may be %i', offset => {
    expect(() => checkOffset(offset)).not.toThrow()
  })

  it.each([-1, 0.5, NaN, Infinity, 2 ** 53, '0', null, undefined, 7n])('is never %s', offset => {
    expect(() => checkOffset(offset)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('is called what the caller calls it', () => {
    expect(() => checkOffset(-1, 'seek')).toThrow('seek: expected a whole number')
  })
})

describe('a group id', () => {
  it.each(['a', ' ', 'größe', 'any/thing:goes', 'x'.repeat(1024)])('may be %j', groupId => {
    expect(() => checkGroupId(groupId)).not.toThrow()
  })

  it.each(['', 'x'.repeat(1025), null, undefined, 7])('is never %j', groupId => {
    expect(() => checkGroupId(groupId)).toThrow(
      expect.objectContaining({ code: 'INVALID_GROUP_ID' }),
    )
  })
})

describe('the key of a partition', () => {
  it('differs for different partitions', () => {
    const keys = [partitionKey('a', 1), partitionKey('a-1', 1), partitionKey('a', 11)]
    expect(keys).toEqual(['a-1', 'a-1-1', 'a-11'])
  })
})
