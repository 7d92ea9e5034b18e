import { describe, expect, it } from 'vitest'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import {
  clusterIdIn,
  readMetaProperties,
  writeMetaProperties,
  type MetaProperties,
} from '../../../src/log/format/meta-properties.js'

const META = {
  clusterId: 'AbCd_efghij-klmnopqrsQ',
  nodeId: 3,
  directoryId: 'mnopqrstuvwxyzABCDEFGA',
}

async function readText(text: string): Promise<MetaProperties | undefined> {
  const disk = new MemoryDisk()
  disk.create('meta.properties').append(Buffer.from(text))
  return await readMetaProperties(disk, 'meta.properties')
}

describe('meta.properties', () => {
  it('meta.properties round-trips', async () => {
    const disk = new MemoryDisk()
    await writeMetaProperties(disk, 'meta.properties', META, Date.UTC(2026, 0, 1))
    expect(await readMetaProperties(disk, 'meta.properties')).toEqual(META)
    const file = disk.open('meta.properties')
    expect((await file.read(0, file.size)).toString().split('\n')).toEqual([
      '#',
      '#Thu, 01 Jan 2026 00:00:00 GMT',
      'cluster.id=AbCd_efghij-klmnopqrsQ',
      'directory.id=mnopqrstuvwxyzABCDEFGA',
      'node.id=3',
      'version=1',
      '',
    ])
  })

  it('meta.properties of Kafka is read in any order, with unknown properties', async () => {
    const text =
      '#\n#Sat Nov 21 01:30:00 UTC 2026\nversion=1\r\nnode.id = 1\nlater.key=x=y\n\ncluster.id= c\n'
    expect(await readText(text)).toEqual({ clusterId: 'c', nodeId: 1, directoryId: '' })
  })

  it('meta.properties of an older Kafka is read with broker.id', async () => {
    const text = '#\nbroker.id=0\nversion=0\ncluster.id=c\n'
    expect(await readText(text)).toEqual({ clusterId: 'c', nodeId: 0, directoryId: '' })
  })

  it('a property extends to the end of its line, including further equals signs', async () => {
    expect((await readText('cluster.id=a=b==\nnode.id=1\n'))?.clusterId).toBe('a=b==')
  })

  it.each([
    ['is empty', ''],
    ['is binary', '\0\u0001\u0002'],
    ['names no cluster', 'node.id=1\n'],
    ['names no node', 'cluster.id=c\n'],
    ['has a word for a node', 'cluster.id=c\nnode.id=one\n'],
    ['has half a node', 'cluster.id=c\nnode.id=1.5\n'],
    ['has an empty node, which is not node 0', 'cluster.id=c\nnode.id=\n'],
    ['has an empty cluster', 'cluster.id=\nnode.id=1\n'],
    ['is all comment', '#cluster.id=c\n#node.id=1\n'],
    ['has a cluster of zeros', 'cluster.id=AbCd\0\0\0\0\nnode.id=1\n'],
    ['has a cluster that is no text', 'cluster.id=Ab\u0007Cd\nnode.id=1\n'],
  ])('meta.properties is damaged and not changed when it %s', async (_, text) => {
    await expect(readText(text)).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringContaining('meta.properties is damaged'),
    })
  })

  it('meta.properties that does not exist is undefined', async () => {
    expect(await readMetaProperties(new MemoryDisk(), 'meta.properties')).toBeUndefined()
  })

  it('meta.properties that is far too large is refused', async () => {
    const reading = readText('x'.repeat(64 * 1024 + 1))
    await expect(reading).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
  })
})

describe('the cluster that folders belong to', () => {
  async function disk(ids: Readonly<Record<string, string>>): Promise<MemoryDisk> {
    const made = new MemoryDisk()
    for (const [folder, clusterId] of Object.entries(ids)) {
      made.makeDirectory(folder)
      const meta = { ...META, clusterId }
      if (clusterId !== '') await writeMetaProperties(made, `${folder}/meta.properties`, meta, 0)
    }
    return made
  }
  const FOLDERS = ['controller', 'broker-1']

  it.each([
    ['all say the same', { controller: 'c', 'broker-1': 'c' }, 'c'],
    ['the controller has lost its file', { controller: '', 'broker-1': 'c' }, 'c'],
    ['a broker has lost it', { controller: 'c', 'broker-1': '' }, 'c'],
    ['no file says', { controller: '', 'broker-1': '' }, undefined],
  ])('%s', async (_, ids, expected) => {
    expect(await clusterIdIn(await disk(ids), FOLDERS)).toBe(expected)
  })

  it('folders of different clusters are refused with the names of all files', async () => {
    const contradicting = await disk({ controller: 'c', 'broker-1': 'd' })
    const sentence = /controller\/meta.properties: cluster c; broker-1\/meta.properties: cluster d/
    await expect(clusterIdIn(contradicting, FOLDERS)).rejects.toThrow(sentence)
  })
})
