import { expect, it } from 'vitest'
import { SerialQueue } from '../../src/base/tasks.js'
import { CheckpointFiles } from '../../src/log/checkpoint-files.js'
import { StoredWatermarks } from '../../src/log/stored-watermarks.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'

const line = (topic: string, offset: number, partition = 0) => ({ topic, partition, offset })

async function stored() {
  const disk = new MemoryDisk()
  disk.makeDirectory('root')
  const files = new CheckpointFiles(disk, 'root')
  const watermarks = new StoredWatermarks(new Map([['a-b-0', 7]]), files, new SerialQueue())
  const text = async () => {
    const file = disk.open('root/replication-offset-checkpoint')
    return (await file.read(0, file.size)).toString()
  }
  const offsets = (...topics: string[]) =>
    topics.map(topic => watermarks.of({ topic, partition: 0 }))
  return { watermarks, text, offsets }
}

it('a log that was deleted is forgotten when the file has no line of it', async () => {
  const { watermarks, offsets } = await stored()
  await watermarks.write([line('a-b', 7), line('c', 9)], () => true)
  await watermarks.write([line('c', 10)], key => key !== 'a-b-0')
  expect(offsets('a-b', 'c')).toEqual([0, 10])
})

it('a log that is only not told of keeps its watermark', async () => {
  const { watermarks, offsets } = await stored()
  await watermarks.write([line('c', 9)], () => true)
  expect(offsets('a-b', 'c')).toEqual([7, 9])
})

it('a line that was written as its log was deleted goes with the next write', async () => {
  const { watermarks, offsets } = await stored()
  await watermarks.write([line('a-b', 8)], () => false)
  expect(offsets('a-b')).toEqual([8])
  await watermarks.write([], () => false)
  expect(offsets('a-b')).toEqual([0])
})

it('what is forgotten leaves the file at once, the rest stays', async () => {
  const { watermarks, text, offsets } = await stored()
  await watermarks.write([line('a-b', 7), line('c', 9)], () => true)
  await watermarks.forget({ topic: 'a-b', partition: 0 })
  expect(await text()).toBe('0\n1\nc 0 9\n')
  expect(offsets('a-b', 'c')).toEqual([0, 9])
})
