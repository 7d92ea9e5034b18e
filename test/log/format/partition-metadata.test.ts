import { describe, expect, it } from 'vitest'
import { fillDisk, MemoryDisk } from '../../../src/disk/memory-disk.js'
import {
  claimPartitionFolder,
  formatPartitionMetadata,
  isHalfMade,
  readTopicId,
} from '../../../src/log/format/partition-metadata.js'

const ID = 'ASNFZ4mrze8RIjNEVWZ3iA'
const OTHER = 'BSNFZ4mrze8RIjNEVWZ3iA'
const TEXT = formatPartitionMetadata(ID)
const LOG = 't-0/00000000000000000000.log'

function folder(metadata: string | undefined, records: string) {
  const disk = new MemoryDisk({ recordsHistory: true })
  const files = [[LOG, Buffer.from(records)] as const]
  const path = 't-0/partition.metadata'
  const all = metadata === undefined ? files : [...files, [path, Buffer.from(metadata)] as const]
  fillDisk(disk, ['t-0'], all)
  const claim = (isSynced: boolean) =>
    claimPartitionFolder({ disk, folder: 't-0', topicId: ID, isSynced })
  return { disk, claim }
}

/** What a power cut leaves of a file that was not synced. */
const TORN = ['', TEXT.slice(0, 5), TEXT.slice(0, -1), '\0'.repeat(TEXT.length), 'ver\0\0\0']

describe('partition.metadata', () => {
  it.each(TORN)('partition.metadata is written again if a power cut has left %j of it', async torn => {
    for (const records of ['', 'records']) {
      const { disk, claim } = folder(torn, records)
      await claim(false)
      expect(await readTopicId(disk, 't-0')).toBe(ID)
    }
  })

  it.each(TORN)('%j is damage if records of the log are known to be durable', async torn => {
    const { disk, claim } = folder(torn, 'records')
    const before = disk.history.length
    await expect(claim(true)).rejects.toThrow('names no topic id')
    expect(disk.history.length).toBe(before)
  })

  it.each([
    ['a letter of the id', TEXT.slice(0, -1) + '?'],
    ['a letter of the first line', TEXT.replace('0', '7')],
    ["the beginning of another topic's id", formatPartitionMetadata(OTHER).slice(0, -1)],
    ['something else', 'nonsense'],
  ])('with records, %s is refused and left as it is', async (_, text) => {
    const { disk, claim } = folder(text, 'records')
    const before = disk.history.length
    await expect(claim(false)).rejects.toThrow('t-0/partition.metadata')
    expect(disk.history.length).toBe(before)
  })

  it("another topic's id is refused, with or without records", async () => {
    for (const records of ['', 'records']) {
      const { claim } = folder(formatPartitionMetadata(OTHER), records)
      await expect(claim(false)).rejects.toMatchObject({ code: 'INCONSISTENT_TOPIC_ID' })
    }
  })

  it('a folder that is in order is not changed', async () => {
    const { disk, claim } = folder(TEXT, 'records')
    const before = disk.history.length
    await claim(true)
    expect(disk.history.length).toBe(before)
  })

  it('a folder is half made while it has no records and no whole file', async () => {
    const halfMade = async (metadata: string | undefined, records: string): Promise<boolean> =>
      await isHalfMade(folder(metadata, records).disk, 't-0')
    for (const torn of [undefined, ...TORN]) {
      expect(await halfMade(torn, '')).toBe(true)
      expect(await halfMade(torn, 'records')).toBe(false)
    }
    expect(await halfMade('nonsense', '')).toBe(false)
  })
})
