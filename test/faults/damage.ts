/** Bytes that rot on a disk. */

import type { MemoryDisk } from '../../src/disk/memory-disk.js'

/** Changes a bit of a file that is closed. */
export async function flipBit(disk: MemoryDisk, path: string, position: number): Promise<void> {
  const file = disk.open(path)
  const bytes = await file.read(0, file.size)
  file.close()
  bytes[position] = (bytes[position] as number) ^ 1
  await disk.remove(path)
  const damaged = disk.create(path)
  damaged.append(bytes)
  damaged.close()
}
