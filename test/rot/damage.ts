/** Ways to damage a file: flipped bytes, truncation, another file's content. Repeatable by seed. */

import type { Random } from '../../src/base/random.js'

/** The files of a disk, by path. */
export type Files = Map<string, Buffer>

/** What is done to a file; undefined when it cannot be done to this one. */
export interface Damage {
  readonly name: string
  /** Changes `files`, and says what it did. */
  readonly apply: (damaged: Damaged, random: Random) => string | undefined
}

export interface Damaged {
  readonly path: string
  readonly files: Files
  /** The same files at an earlier time. */
  readonly earlier: Files
}

function bytesOf({ files, path }: Damaged): Buffer {
  return Buffer.from(files.get(path) as Buffer)
}

/**
 * Files that could be taken for each other: of the same ending, or of the same folder. Segments of
 * other partitions are left out: where they hold the same offsets, nothing on the disk says whose
 * the batches are, here as in Kafka.
 */
function likeOf({ files, path }: Damaged): string[] {
  const ending = path.slice(path.lastIndexOf('.'))
  const folder = path.slice(0, path.lastIndexOf('/'))
  const isSegment = ending === '.log'
  return [...files.keys()].filter(other => {
    if (other === path || files.get(other)?.equals(files.get(path) as Buffer)) return false
    return other.startsWith(`${folder}/`) || (other.endsWith(ending) && !isSegment)
  })
}

export const DAMAGES: readonly Damage[] = [
  {
    name: 'a bit flips',
    apply(damaged, random) {
      const bytes = bytesOf(damaged)
      if (bytes.length === 0) return undefined
      const bit = random.int(8 * bytes.length)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      damaged.files.set(damaged.path, bytes)
      return `bit ${bit & 7} of byte ${bit >> 3}`
    },
  },
  {
    name: 'a digit changes',
    apply(damaged, random) {
      const bytes = bytesOf(damaged)
      const digits = [...bytes.keys()].filter(at => /[0-9]/.test(String.fromCharCode(bytes[at]!)))
      const isText = !/\.(log|index|timeindex|snapshot)$/.test(damaged.path)
      if (!isText || digits.length === 0) return undefined
      const at = digits[random.int(digits.length)] as number
      const before = bytes[at] as number
      bytes[at] = 48 + ((before - 48 + 1 + random.int(9)) % 10)
      damaged.files.set(damaged.path, bytes)
      return `byte ${at}: ${String.fromCharCode(before)} becomes ${String.fromCharCode(bytes[at]!)}`
    },
  },
  {
    name: 'a range becomes zeros',
    apply(damaged, random) {
      const bytes = bytesOf(damaged)
      if (bytes.length === 0) return undefined
      const from = random.int(bytes.length)
      const to = Math.min(bytes.length, from + 1 + random.int(random.int(2) === 0 ? 16 : 700))
      if (bytes.subarray(from, to).every(byte => byte === 0)) return undefined
      bytes.fill(0, from, to)
      damaged.files.set(damaged.path, bytes)
      return `bytes ${from} to ${to - 1}`
    },
  },
  {
    name: 'it is cut',
    apply(damaged, random) {
      const bytes = bytesOf(damaged)
      if (bytes.length === 0) return undefined
      const left = random.int(bytes.length)
      damaged.files.set(damaged.path, bytes.subarray(0, left))
      return `${left} of ${bytes.length} bytes are left`
    },
  },
  {
    name: 'it is extended',
    apply(damaged, random) {
      const bytes = bytesOf(damaged)
      const kind = random.int(3)
      const more = 1 + random.int(200)
      const tail =
        kind === 0
          ? Buffer.alloc(more)
          : kind === 1
            ? Buffer.from(random.bytes(more))
            : bytes.subarray(0, Math.min(bytes.length, more))
      damaged.files.set(damaged.path, Buffer.concat([bytes, tail]))
      return `by ${tail.length} ${['zeros', 'random bytes', 'bytes of its beginning'][kind]}`
    },
  },
  {
    name: 'it takes the place of another',
    apply(damaged, random) {
      const { files, path } = damaged
      const others = likeOf(damaged)
      if (others.length === 0) return undefined
      const other = others[random.int(others.length)] as string
      const [a, b] = [files.get(path) as Buffer, files.get(other) as Buffer]
      files.set(path, b)
      files.set(other, a)
      return `and ${other} its own`
    },
  },
  {
    name: 'it is an older copy',
    apply(damaged) {
      const { files, earlier, path } = damaged
      const copy = earlier.get(path)
      if (copy === undefined || copy.equals(files.get(path) as Buffer)) return undefined
      files.set(path, copy)
      return `of ${copy.length} bytes`
    },
  },
  {
    name: 'it is deleted',
    apply(damaged) {
      damaged.files.delete(damaged.path)
      return ''
    },
  },
]
