import { describe, expect, it } from 'vitest'
import {
  brokerFolder,
  CONTROLLER_FOLDER,
  deletedFile,
  deletedFolder,
  isBrokerFolder,
  isDeletedFile,
  isDeletedFolder,
  keptFile,
  parsePartitionFolder,
  parseSegmentFile,
  partitionFolder,
  SEGMENT_FILE_KINDS,
  segmentFile,
} from '../../../src/log/format/files.js'

describe("a segment's files", () => {
  it('segment files are named by twenty digits and a kind, and parsed back', () => {
    expect(segmentFile(0, 'log')).toBe('00000000000000000000.log')
    expect(segmentFile(42, 'timeindex')).toBe('00000000000000000042.timeindex')
    for (const baseOffset of [0, 1, 42, 2 ** 31, 2 ** 53 - 1]) {
      for (const kind of SEGMENT_FILE_KINDS) {
        expect(parseSegmentFile(segmentFile(baseOffset, kind))).toEqual({ baseOffset, kind })
      }
    }
  })

  it('segment files sort by name as they do by offset', () => {
    const offsets = [0, 9, 10, 99, 1000, 2 ** 40, 2 ** 53 - 1]
    const names = offsets.map(offset => segmentFile(offset, 'log'))
    expect([...names].reverse().sort()).toEqual(names)
  })

  it.each([
    '',
    '.log',
    '42.log',
    '0000000000000000042.log',
    '000000000000000000042.log',
    '00000000000000000042',
    '00000000000000000042.',
    '00000000000000000042.txt',
    '00000000000000000042.LOG',
    '00000000000000000042.logs',
    '00000000000000000042.log.deleted',
    '00000000000000000042.log.140.kept',
    '00000000000000000042.log.cleaned',
    '00000000000000000042.log.swap',
    '00000000000000000042.log\n',
    ' 00000000000000000042.log',
    '-0000000000000000042.log',
    '+0000000000000000042.log',
    '0000000000000000004x.log',
    '0000000000000000004٣.log',
    // Larger than any safe integer: another number would come out.
    '00009007199254740992.log',
    '99999999999999999999.log',
  ])('%j is not a segment file', name => {
    expect(parseSegmentFile(name)).toBeUndefined()
  })

  it('deleted and kept files are no segment files, and kept files are not deleted', () => {
    const name = segmentFile(42, 'log')
    expect(deletedFile(name)).toBe('00000000000000000042.log.deleted')
    expect(keptFile(name, 140)).toBe('00000000000000000042.log.140.kept')
    const verdicts = [name, deletedFile(name), keptFile(name, 140)].map(each => [
      parseSegmentFile(each) !== undefined,
      isDeletedFile(each),
    ])
    expect(verdicts).toEqual([
      [true, false],
      [false, true],
      [false, false],
    ])
  })
})

describe("a partition's folder", () => {
  it.each([
    ['orders-0', 'orders', 0],
    ['orders-11', 'orders', 11],
    ['a-b-7', 'a-b', 7],
    ['a.b_c-99998', 'a.b_c', 99_998],
    ['--3', '-', 3],
    ['7-7', '7', 7],
    ['__consumer_offsets-49', '__consumer_offsets', 49],
    [`${'x'.repeat(249)}-0`, 'x'.repeat(249), 0],
  ])('the folder %s belongs to partition %s-%i', (folder, topic, partition) => {
    expect(parsePartitionFolder(folder)).toEqual({ topic, partition })
    expect(partitionFolder({ topic, partition })).toBe(folder)
  })

  it.each([
    '',
    'orders',
    'orders-',
    '-0',
    'orders-x',
    'orders-01',
    'orders-00',
    'orders--1-',
    'orders-1.5',
    'orders-99999',
    'orders-100000',
    'orders- 1',
    'or ders-1',
    'ördërs-1',
    '.-0',
    '..-0',
    'a/b-0',
    `${'x'.repeat(250)}-0`,
    'orders-0.0123456789abcdef0123456789abcdef-delete',
    'orders-0.0123456789abcdef0123456789abcdef-future',
  ])("%j is not a partition's folder", name => {
    expect(parsePartitionFolder(name)).toBeUndefined()
  })
})

describe('the folder of a broker', () => {
  it('the folder of a broker is named by its id', () => {
    expect([0, 1, 42].map(brokerFolder)).toEqual(['broker-0', 'broker-1', 'broker-42'])
    for (const id of [0, 1, 42, 2 ** 31 - 1]) {
      expect(isBrokerFolder(brokerFolder(id))).toBe(true)
      expect(parsePartitionFolder(`${brokerFolder(id)}-x`)).toBeUndefined()
    }
  })

  it('folders with other names are not those of brokers', () => {
    for (const name of ['broker-', 'broker-01', 'broker--1', 'broker-1-delete', CONTROLLER_FOLDER, '']) {
      expect(isBrokerFolder(name), name).toBe(false)
    }
  })
})

describe('the folder of a deleted partition', () => {
  const HEX = '0123456789abcdef0123456789abcdef'

  it("the folder of a deleted partition has Kafka's name and belongs to no partition", () => {
    const name = deletedFolder('orders-0', HEX)
    expect(name).toBe(`orders-0.${HEX}-delete`)
    expect(isDeletedFolder(name)).toBe(true)
    expect(parsePartitionFolder(name)).toBeUndefined()
  })

  it('the name of a deleted folder fits the file system, however long the topic is', () => {
    const name = deletedFolder(`${'x'.repeat(249)}-99998`, HEX)
    expect(name.length).toBe(255)
    expect(isDeletedFolder(name)).toBe(true)
  })

  it.each([
    'orders-0',
    'orders-delete',
    'orders-0.deadbeef-delete',
    `orders-0.${HEX}-delete-0`,
    `orders-0.${HEX}`,
    `orders-0.${HEX.toUpperCase()}-delete`,
    `orders-0.${HEX}-future`,
  ])('%s is not the folder of a deleted partition', name => {
    expect(isDeletedFolder(name)).toBe(false)
  })
})
