/** A disk that counts the bytes that are read from it, and the calls. */

import type { Disk, DiskFile } from '../../src/disk/disk.js'

export interface ReadCounts {
  calls: number
  bytes: number
}

type Methods = Record<string, (...args: never[]) => unknown>

function proxied<T extends object>(target: T, changed: Methods): T {
  return new Proxy(target, {
    get(_, name) {
      const own = changed[name as string]
      if (own !== undefined) return own
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** `ending`: of the paths whose reads are counted. */
export function countingDisk(below: Disk, ending = '.log'): { disk: Disk; counts: ReadCounts } {
  const counts = { calls: 0, bytes: 0 }
  const count = (bytes: number): number => {
    counts.calls++
    counts.bytes += bytes
    return bytes
  }
  const counted = (file: DiskFile): DiskFile =>
    file.path.endsWith(ending)
      ? proxied(file, {
          read: async (position: number, length: number) => {
            const bytes = await file.read(position, length)
            count(bytes.length)
            return bytes
          },
          readNow: (position: number, target: Buffer) => count(file.readNow(position, target)),
        })
      : file
  const disk = proxied(below, {
    open: (path: string) => counted(below.open(path)),
    create: (path: string) => counted(below.create(path)),
  })
  return { disk, counts }
}
