/** Folders that are read while a process writes them: what was seen half-written is read again. */

import { describe, expect, it } from 'vitest'
import type { Disk } from '../../../src/disk/disk.js'
import { fillDisk, MemoryDisk } from '../../../src/disk/memory-disk.js'
import { findPartitions } from '../../../src/log/inspection/log-directory.js'
import type { PartitionDirectory } from '../../../src/log/inspection/partition-directory.js'
import { inspectPartition } from '../../../src/log/inspection/verify-log.js'
import { history } from '../helpers.js'

const FOLDER = 'orders-0'
const logOf = (base: number): string => `${FOLDER}/${String(base).padStart(20, '0')}.log`
const EPOCHS = `${FOLDER}/leader-epoch-checkpoint`

type Files = Readonly<Record<string, Buffer | string>>

function diskOf(files: Files): MemoryDisk {
  const disk = new MemoryDisk()
  const all = Object.entries(files).map(([path, data]) => [path, Buffer.from(data)] as const)
  fillDisk(disk, [FOLDER], all)
  return disk
}

/** Shows one disk until `isLater` says so, then another one; open files stay what they were. */
function changing(before: Disk, after: Disk, isLater: (call: string, path: string) => boolean): Disk {
  let disk = before
  const look = (call: string, path: string): Disk => {
    if (isLater(call, path)) disk = after
    return disk
  }
  const parts = {
    location: 'memory',
    open: (path: string) => look('open', path).open(path),
    list: (path: string) => look('list', path).list(path),
    exists: (path: string) => look('exists', path).exists(path),
  }
  return parts as unknown as Disk
}

/** True from the n-th time on that this happens. */
function nth(n: number, call: string, path: string): (call: string, path: string) => boolean {
  let seen = 0
  return (aCall, aPath) => aCall === call && aPath === path && ++seen >= n
}

/** The checkpoints are looked at before anything else. */
const secondLook = () => nth(2, 'exists', 'log-start-offset-checkpoint')

const SOUND: Files = {
  [logOf(0)]: history(0, 10, 0),
  [logOf(10)]: history(10, 10, 0),
  [logOf(20)]: history(20, 10, 0),
  [EPOCHS]: '0\n1\n0 0\n',
}

describe('verify beside a writer', () => {
  const verify = async (disk: Disk) => (await inspectPartition(disk, FOLDER)).problems

  it.each([
    ['a batch is half written', { ...SOUND, [logOf(20)]: history(20, 11, 0).subarray(0, -7) }],
    ['a file has gone from its list', { ...SOUND, [EPOCHS]: '0\n1\n0 5\n' }],
    ['a new epoch is not in the file yet', { ...SOUND, [logOf(20)]: history(20, 10, 3) }],
    ['a checkpoint is ahead', { ...SOUND, 'recovery-point-offset-checkpoint': '0\n1\norders 0 99\n' }],
  ] as [string, Files][])('says nothing when %s, as long as it passes', async (_, half) => {
    const later = changing(diskOf(half), diskOf(SOUND), secondLook())
    expect(await verify(later)).toEqual([])
    const never = changing(diskOf(half), diskOf(half), () => false)
    if (half[EPOCHS] === SOUND[EPOCHS]) expect(await verify(never)).not.toEqual([])
  })

  it('verify reports nothing about segments that retention deletes meanwhile', async () => {
    const { [logOf(0)]: _, ...rest } = SOUND
    const after = { ...rest, [EPOCHS]: '0\n1\n0 10\n' }
    const gone = changing(diskOf(SOUND), diskOf(after), nth(1, 'open', logOf(0)))
    expect(await verify(gone)).toEqual([])
  })

  it('verify reports nothing about a partition that was deleted after it was found', async () => {
    const recovery = 'recovery-point-offset-checkpoint'
    const knows = { [recovery]: '0\n1\norders 0 30\n' }
    const gone = new MemoryDisk()
    expect(await verify(gone)).toEqual([])
    // As long as its checkpoint knows it, it is missed.
    const missed = new MemoryDisk()
    fillDisk(missed, [], [[recovery, Buffer.from(knows[recovery] as string)]])
    expect(await verify(missed)).toMatchObject([{ problem: 'cannot be read: ENOENT' }])
    expect(await verify(changing(missed, gone, secondLook()))).toEqual([])
  })

  it('verify reports problems that both checks find', async () => {
    const rotten = { ...SOUND, [logOf(10)]: Buffer.concat([Buffer.alloc(9), history(10, 10, 0)]) }
    const growing = { ...rotten, [logOf(20)]: history(20, 20, 0) }
    const disk = changing(diskOf(rotten), diskOf(growing), secondLook())
    expect(await verify(disk)).toMatchObject([{ file: logOf(10), position: 0 }])
  })
})

describe('an export beside a writer', () => {
  const exported = async (disk: Disk): Promise<number[]> => {
    const [partition] = (await findPartitions(disk)) as [PartitionDirectory]
    const offsets: number[] = []
    for await (const { offset } of partition.records()) offsets.push(offset)
    return offsets
  }
  const range = (from: number, end: number) => Array.from({ length: end - from }, (_, n) => from + n)

  it('an export continues in the file into which compaction has moved the records', async () => {
    const after = { ...SOUND, [logOf(0)]: history(0, 20, 0) } as Record<string, Buffer | string>
    delete after[logOf(10)]
    const disk = changing(diskOf(SOUND), diskOf(after), nth(1, 'open', logOf(10)))
    expect(await exported(disk)).toEqual(range(0, 30))
  })

  it('an export reports records that retention deletes before they are read', async () => {
    const { [logOf(0)]: _, [logOf(10)]: __, ...after } = SOUND
    const disk = changing(diskOf(SOUND), diskOf(after), nth(1, 'open', logOf(10)))
    await expect(exported(disk)).rejects.toThrow(
      /10\.log at position 0: they were deleted while the log was read; offsets 10 to 19 of orders-0/,
    )
  })

  it('an export ends where the log ended when its last file was opened', async () => {
    const after = { ...SOUND, [logOf(20)]: history(20, 15, 0), [logOf(35)]: history(35, 5, 0) }
    const disk = changing(diskOf(SOUND), diskOf(after), nth(1, 'open', logOf(20)))
    expect(await exported(disk)).toEqual(range(0, 35))
  })
})
