import { describe, expect, it } from 'vitest'
import type { PartitionImage } from '../../../src/coordinator/metadata/cluster-image.js'
import {
  electLongest,
  electOnline,
  electPreferred,
  type LogEnd,
} from '../../../src/coordinator/metadata/elections.js'

const partition = (isr: number[], leader: number): PartitionImage => ({
  partition: 0,
  replicas: [1, 2, 3],
  isr,
  leader,
  leaderEpoch: 4,
  partitionEpoch: 9,
})

const rules = (alive: number[], allowsUnclean = false, ends?: Record<number, LogEnd>) => ({
  isAlive: (id: number) => alive.includes(id),
  allowsUnclean,
  endOf: ends === undefined ? undefined : (id: number) => ends[id],
})

describe('when brokers come or go', () => {
  it.each<[string, PartitionImage, number[], object | undefined]>([
    ['all is well', partition([1, 2, 3], 1), [1, 2, 3], undefined],
    ['a follower is gone', partition([1, 2, 3], 1), [1, 2], { isr: [1, 2], leader: undefined }],
    ['the leader is gone', partition([1, 2, 3], 1), [2, 3], { isr: [2, 3], leader: 2 }],
    ['in the order of assignment', partition([3, 2], 1), [2, 3], { isr: [3, 2], leader: 2 }],
    ['one out of sync does not lead', partition([1, 3], 1), [2, 3], { isr: [3], leader: 3 }],
    ['the last member stays', partition([1], 1), [2, 3], { isr: [1], leader: -1 }],
    ['and is waited for', partition([1], -1), [2, 3], undefined],
    ['until it is back', partition([1], -1), [1, 2, 3], { isr: [1], leader: 1 }],
    ['of several the leader stays', partition([2, 1], 1), [3], { isr: [1], leader: -1 }],
  ])('%s', (_, before, alive, expected) => {
    const change = electOnline(before, rules(alive))
    if (expected === undefined) expect(change).toBeUndefined()
    else expect(change).toEqual({ ...expected, isUnclean: false })
  })

  it('a replica out of sync leads only if the topic allows unclean elections', () => {
    expect(electOnline(partition([1], 1), rules([3, 2], true))).toEqual({
      isr: [2],
      leader: 2,
      isUnclean: true,
    })
    expect(electOnline(partition([1], 1), rules([], true))).toMatchObject({ leader: -1 })
    expect(electOnline(partition([1, 3], 1), rules([2, 3], true))).toMatchObject({ leader: 3 })
  })
})

describe('a member that comes back without its end, where unclean elections are allowed', () => {
  const at = (epoch: number, offset: number): LogEnd => ({ epoch, offset })
  it.each<[string, Record<number, LogEnd>, object]>([
    ['does not win over one with more', { 1: at(4, 8), 2: at(4, 9) }, { leader: 2, isr: [2] }],
    ['nor over a later epoch', { 1: at(3, 99), 2: at(4, 1) }, { leader: 2, isr: [2] }],
    ['wins when no replica has more', { 1: at(4, 9), 2: at(4, 9), 3: at(3, 50) }, { leader: 1 }],
  ])('%s', (_, ends, expected) => {
    const change = electOnline(partition([1], -1), rules([1, 2, 3], true, ends))
    expect(change).toMatchObject({ isUnclean: 'isr' in expected, ...expected })
    const asKafka = electOnline(partition([1], -1), rules([1, 2, 3], false, ends))
    expect(asKafka).toEqual({ isr: [1], leader: 1, isUnclean: false })
    const recovered = electLongest(partition([1], 1), rules([1, 2, 3], false, ends))
    expect(recovered).toMatchObject({ isr: [1], leader: 1 })
  })

  it('a returning replica is not compared while in-sync replicas are missing', () => {
    const ends = { 1: at(4, 8), 2: at(4, 9) }
    expect(electOnline(partition([1, 3], -1), rules([1, 2], true, ends))).toMatchObject({
      leader: 1,
      isUnclean: false,
    })
  })
})

describe('after a crash of all', () => {
  it('after a crash the longest in-sync log leads, the former leader among equals', () => {
    const ends = { 1: { epoch: 4, offset: 7 }, 2: { epoch: 4, offset: 9 } }
    const both = partition([1, 2], 1)
    expect(electLongest(both, rules([1, 2], false, ends))).toMatchObject({ leader: 2 })
    const even = { 1: ends[2], 2: ends[2] }
    expect(electLongest(both, rules([1, 2], false, even))).toMatchObject({ leader: 1 })
    expect(electLongest(partition([1, 2], 2), rules([1, 2], false, even))).toMatchObject({
      leader: 2,
    })
  })
})

describe('the preferred leader', () => {
  it.each<[string, PartitionImage, number[], unknown]>([
    ['leads already', partition([1, 2], 1), [1, 2], 'not needed'],
    ['is out of sync', partition([2, 3], 2), [1, 2, 3], 'not available'],
    ['is not alive', partition([1, 2], 2), [2], 'not available'],
    ['takes over', partition([1, 2], 2), [1, 2], { isr: [1, 2], leader: 1, isUnclean: false }],
  ])('%s', (_, before, alive, expected) => {
    expect(electPreferred(before, rules(alive))).toEqual(expected)
  })
})
