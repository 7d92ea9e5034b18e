import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { DiskError, replaceSmallFile, type Disk } from '../../src/disk/disk.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { diskContract } from './contract.js'
import { afterPowerCut, DAMAGES, type Damage } from '../../src/testing/simulation/power-cut.js'

diskContract('MemoryDisk', () => new MemoryDisk())
diskContract('MemoryDisk with history', () => new MemoryDisk({ recordsHistory: true }))

const bytes = (text: string): Buffer => Buffer.from(text)

async function contentOf(disk: Disk, path: string): Promise<string | undefined> {
  if (!disk.exists(path)) return undefined
  const file = disk.open(path)
  return (await file.read(0, file.size)).toString()
}

/** What a file may hold after a power cut, over many throws of the dice. */
async function outcomes(disk: MemoryDisk, damage: Damage, path: string): Promise<Set<unknown>> {
  const seen = new Set<unknown>()
  for (let seed = 0; seed < 200; seed++) {
    const left = afterPowerCut(disk.history, damage, seededRandom(seed))
    seen.add(await contentOf(left, path))
  }
  return seen
}

describe('a power cut', () => {
  it.each(DAMAGES)('synced bytes survive a power cut: %s', async damage => {
    const disk = new MemoryDisk({ recordsHistory: true })
    const file = disk.create('a')
    file.append(bytes('synced'))
    await file.sync()
    await disk.syncDirectory('')
    file.append(bytes('x'.repeat(2000)))
    for (const content of await outcomes(disk, damage, 'a')) {
      expect(content).toMatch(/^synced/)
    }
  })

  it('synced damage loses everything that was not synced', async () => {
    const disk = new MemoryDisk({ recordsHistory: true })
    const file = disk.create('a')
    await disk.syncDirectory('')
    file.append(bytes('one'))
    await file.sync()
    file.append(bytes('two'))
    expect(await outcomes(disk, 'synced', 'a')).toEqual(new Set(['one']))
  })

  it('prefix damage keeps any first part of the unsynced bytes', async () => {
    const disk = new MemoryDisk({ recordsHistory: true })
    const file = disk.create('a')
    await disk.syncDirectory('')
    file.append(bytes('12'))
    file.append(bytes('34'))
    const seen = await outcomes(disk, 'prefix', 'a')
    expect(seen).toEqual(new Set(['', '1', '12', '123', '1234']))
  })

  it('sector damage may lose any unsynced sector, which reads as zeros', async () => {
    const disk = new MemoryDisk({ recordsHistory: true })
    const file = disk.create('a')
    await disk.syncDirectory('')
    file.append(Buffer.alloc(1024, 'x'))
    const shapes = new Set<string>()
    for (const content of await outcomes(disk, 'sectors', 'a')) {
      shapes.add((content as string).replace(/x{512}/g, 'X').replace(/\0{512}/g, '0'))
    }
    expect(shapes).toEqual(new Set(['', 'X', 'X0', '0X', '00', 'XX']))
  })

  it('a file with an unsynced name is lost, even if its bytes were synced', async () => {
    const disk = new MemoryDisk({ recordsHistory: true })
    const file = disk.create('a')
    file.append(bytes('x'))
    await file.sync()
    expect(await outcomes(disk, 'synced', 'a')).toEqual(new Set([undefined]))
    expect(await outcomes(disk, 'sectors', 'a')).toEqual(new Set([undefined, 'x']))
  })

  it.each(DAMAGES)('a small file is old or new after a power cut, never torn: %s', async damage => {
    const disk = new MemoryDisk({ recordsHistory: true })
    await replaceSmallFile(disk, 'a', bytes('old'))
    let left = 100
    disk.beforeOperation = () => {
      if (left-- === 0) throw new DiskError('POWER', 'test', 'a')
      return undefined
    }
    for (let steps = 0; steps < 8; steps++) {
      left = steps
      await replaceSmallFile(disk, 'a', bytes('new')).catch(() => undefined)
      for (const content of await outcomes(disk, damage, 'a')) {
        expect(['old', 'new']).toContain(content)
      }
    }
  })

  it('files that survived one power cut survive the next', async () => {
    const disk = new MemoryDisk({ recordsHistory: true })
    disk.makeDirectory('d')
    const file = disk.create('d/a')
    file.append(bytes('x'))
    const survivor = [...Array(50).keys()]
      .map(seed => afterPowerCut(disk.history, 'prefix', seededRandom(seed)))
      .find(candidate => candidate.exists('d/a')) as MemoryDisk
    const content = await contentOf(survivor, 'd/a')
    const again = afterPowerCut(survivor.history, 'synced', seededRandom(1))
    expect(await contentOf(again, 'd/a')).toBe(content)
  })
})

describe('faults', () => {
  it('a short write leaves the file unchanged and the next append in order', async () => {
    const disk = new MemoryDisk({ recordsHistory: true })
    const file = disk.create('a')
    file.append(bytes('one'))
    disk.beforeOperation = operation =>
      operation.kind === 'append' ? { writtenBytes: 2, code: 'ENOSPC' } : undefined
    expect(() => file.append(bytes('two'))).toThrow('ENOSPC')
    expect(file.size).toBe(3)
    disk.beforeOperation = undefined
    file.append(bytes('three'))
    expect(await contentOf(disk, 'a')).toBe('onethree')
    await file.sync()
    await disk.syncDirectory('')
    expect(await outcomes(disk, 'synced', 'a')).toEqual(new Set(['onethree']))
  })
})

describe('a folder that is replaced', () => {
  it('a folder that is replaced has what the other disk has there, durable; other folders keep what they had', async () => {
    const disk = new MemoryDisk({ recordsHistory: true })
    const other = new MemoryDisk()
    for (const [on, text] of [[disk, 'old'], [other, 'new']] as const) {
      for (const folder of ['a', 'b']) {
        on.makeDirectory(folder)
        on.create(`${folder}/${text}`).append(bytes(text))
      }
      await on.syncDirectory('')
    }
    const open = disk.open('a/old')
    disk.beforeOperation = () => {
      throw new DiskError('EIO', 'any', 'a')
    }
    disk.replaceFolder('a', other)
    disk.beforeOperation = undefined
    expect(disk.list('a').map(({ name }) => name)).toEqual(['new'])
    expect(disk.list('b').map(({ name }) => name)).toEqual(['old'])
    expect((await open.read(0, 3)).toString()).toBe('old')
    const left = afterPowerCut(disk.history, 'synced', seededRandom(1))
    expect(await contentOf(left, 'a/new')).toBe('new')
    expect(left.exists('a/old')).toBe(false)
  })
})
