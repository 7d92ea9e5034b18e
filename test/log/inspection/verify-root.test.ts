import { describe, expect, it } from 'vitest'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import { writeMetaProperties } from '../../../src/log/format/meta-properties.js'
import { checkRootFiles } from '../../../src/log/inspection/verify-root.js'

const CHECKPOINTS = [
  'recovery-point-offset-checkpoint',
  'log-start-offset-checkpoint',
  'replication-offset-checkpoint',
  'cleaner-offset-checkpoint',
]
const GOOD = '0\n1\norders 0 122\n'
const META = { clusterId: 'c', nodeId: 1, directoryId: 'd' }

/** Two brokers' folders with everything that may stand in them. */
async function goodDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk({ recordsHistory: true })
  for (const root of ['broker-1', 'broker-2']) {
    disk.makeDirectory(root)
    for (const name of CHECKPOINTS) disk.create(`${root}/${name}`).append(Buffer.from(GOOD))
    await writeMetaProperties(disk, `${root}/meta.properties`, META, 0)
  }
  return disk
}

async function overwrite(disk: MemoryDisk, path: string, text: string): Promise<void> {
  await disk.remove(path)
  disk.create(path).append(Buffer.from(text))
}

const FOLDERS = ['broker-1/orders-0', 'broker-1/orders-1', 'broker-2/orders-0']

describe('the files beside the partitions', () => {
  it('the files next to valid partitions have no problem', async () => {
    expect(await checkRootFiles(await goodDisk(), FOLDERS)).toEqual([])
  })

  it('the files next to the partitions may all be missing', async () => {
    const disk = new MemoryDisk()
    disk.makeDirectory('broker-1')
    expect(await checkRootFiles(disk, ['broker-1/orders-0'])).toEqual([])
  })

  it.each(CHECKPOINTS)('a damaged %s is reported once', async name => {
    const disk = await goodDisk()
    await overwrite(disk, `broker-1/${name}`, '0\n2\norders 0 122\n')
    expect(await checkRootFiles(disk, FOLDERS)).toEqual([
      { file: `broker-1/${name}`, position: 0, problem: '2 lines announced, 1 found' },
    ])
  })

  it.each([
    ['nothing', '#\n', 'version (none) is not known'],
    ['a later format', 'version=2\nnode.id=1\ncluster.id=c\n', 'version 2 is not known'],
    ['no node', 'version=1\ncluster.id=c\n', 'names no node'],
    ['half a node', 'version=1\ncluster.id=c\nnode.id=x\n', 'names no node'],
    ['the node of version 0', 'version=1\ncluster.id=c\nbroker.id=1\n', 'names no node'],
    ['no cluster', 'version=1\nnode.id=1\n', 'names no cluster'],
    ['a cluster that was cut', 'version=0\nbroker.id=1\ncluster.id=\n', 'names no cluster'],
  ])('meta.properties with %s is reported', async (_, text, problem) => {
    const disk = await goodDisk()
    await overwrite(disk, 'broker-2/meta.properties', text)
    expect(await checkRootFiles(disk, FOLDERS)).toEqual([
      { file: 'broker-2/meta.properties', position: 0, problem },
    ])
  })

  it.each([
    ['before 0.10.1', '#\n#Wed Aug 15 10:00:00 CST 2018\nversion=0\nbroker.id=0\n'],
    ['up to 2.7', 'cluster.id=c\nversion=0\nbroker.id=0\n'],
    ['on its way to KRaft', 'version=0\ncluster.id=c\nnode.id=0\ndirectory.id=d\n'],
  ])('meta.properties of a Kafka %s has no problem', async (_, text) => {
    const disk = await goodDisk()
    await overwrite(disk, 'broker-2/meta.properties', text)
    expect(await checkRootFiles(disk, FOLDERS)).toEqual([])
  })

  it('the root files are only checked where partitions are', async () => {
    const disk = await goodDisk()
    await overwrite(disk, `broker-2/${CHECKPOINTS[0]}`, 'nonsense')
    expect(await checkRootFiles(disk, ['broker-1/orders-0'])).toEqual([])
    expect(await checkRootFiles(disk, [''])).toEqual([])
    expect(await checkRootFiles(disk, FOLDERS)).toHaveLength(1)
  })

  it("the root files may be in the disk's root, as in a Kafka folder", async () => {
    const disk = new MemoryDisk()
    disk.create('log-start-offset-checkpoint').append(Buffer.from('7\n'))
    expect(await checkRootFiles(disk, ['orders-0', 'orders-1'])).toEqual([
      { file: 'log-start-offset-checkpoint', position: 0, problem: 'version 7 is not known' },
    ])
  })

  it('the root files are never written', async () => {
    const disk = await goodDisk()
    await overwrite(disk, `broker-1/${CHECKPOINTS[1]}`, 'nonsense')
    const before = disk.history.length
    await checkRootFiles(disk, FOLDERS)
    expect(disk.history.length).toBe(before)
  })
})
