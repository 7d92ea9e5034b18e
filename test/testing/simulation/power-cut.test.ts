/** The model of a power cut: what a sync promises, and that each kind of damage really happens. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import { afterPowerCut, DAMAGES, type Damage } from '../../../src/testing/simulation/power-cut.js'

const bytes = (text: string): Buffer => Buffer.from(text)

async function contentOf(disk: MemoryDisk, path: string): Promise<string | undefined> {
  if (!disk.exists(path)) return undefined
  const file = disk.open(path)
  return (await file.read(0, file.size)).toString()
}

async function outcomes(
  disk: MemoryDisk,
  damage: Damage,
  look: (left: MemoryDisk) => Promise<unknown>,
): Promise<Set<unknown>> {
  const seen = new Set<unknown>()
  for (let seed = 0; seed < 150; seed++) {
    seen.add(await look(afterPowerCut(disk.history, damage, seededRandom(seed))))
  }
  return seen
}

const recorded = (): MemoryDisk => new MemoryDisk({ recordsHistory: true })
const whole = (path: string) => (left: MemoryDisk) => contentOf(left, path)

describe('names', () => {
  it('a synced folder in an unsynced one is lost with everything in it', async () => {
    const disk = recorded()
    disk.makeDirectory('d')
    const file = disk.create('d/a')
    file.append(bytes('x'))
    await file.sync()
    await disk.syncDirectory('d')
    expect(await outcomes(disk, 'synced', whole('d/a'))).toEqual(new Set([undefined]))
    await disk.syncDirectory('')
    for (const damage of DAMAGES) {
      expect(await outcomes(disk, damage, whole('d/a'))).toEqual(new Set(['x']))
    }
  })

  it('an unsynced rename leads to the old or the new name, never to both or neither', async () => {
    const disk = recorded()
    const file = disk.create('a')
    file.append(bytes('x'))
    await file.sync()
    await disk.syncDirectory('')
    disk.rename('a', 'b')
    const look = async (left: MemoryDisk): Promise<string> =>
      `${await contentOf(left, 'a')} ${await contentOf(left, 'b')}`
    expect(await outcomes(disk, 'synced', look)).toEqual(new Set(['x undefined']))
    for (const damage of ['prefix', 'sectors'] as const) {
      expect(await outcomes(disk, damage, look)).toEqual(new Set(['x undefined', 'undefined x']))
    }
    await disk.syncDirectory('')
    for (const damage of DAMAGES) {
      expect(await outcomes(disk, damage, look)).toEqual(new Set(['undefined x']))
    }
  })

  it('a removed file may reappear until its folder is synced', async () => {
    const disk = recorded()
    disk.create('a')
    await disk.syncDirectory('')
    await disk.remove('a')
    const look = async (left: MemoryDisk): Promise<boolean> => left.exists('a')
    expect(await outcomes(disk, 'synced', look)).toEqual(new Set([true]))
    expect(await outcomes(disk, 'prefix', look)).toEqual(new Set([true, false]))
    await disk.syncDirectory('')
    for (const damage of DAMAGES)
      expect(await outcomes(disk, damage, look)).toEqual(new Set([false]))
  })

  it('a renamed folder keeps its entries', async () => {
    const disk = recorded()
    disk.makeDirectory('d')
    const file = disk.create('d/a')
    file.append(bytes('x'))
    await file.sync()
    await disk.syncDirectory('d')
    disk.rename('d', 'e')
    await disk.syncDirectory('')
    const left = afterPowerCut(disk.history, 'synced', seededRandom(1))
    expect(left.list('').map(({ name }) => name)).toEqual(['e'])
    expect(await contentOf(left, 'e/a')).toBe('x')
  })
})

describe('bytes', () => {
  it('an unsynced truncation may be undone, a synced one may not', async () => {
    const disk = recorded()
    const file = disk.create('a')
    file.append(bytes('123456'))
    await file.sync()
    await disk.syncDirectory('')
    file.truncate(2)
    expect(await outcomes(disk, 'synced', whole('a'))).toEqual(new Set(['123456']))
    expect(await outcomes(disk, 'sectors', whole('a'))).toEqual(new Set(['123456', '12']))
    await file.sync()
    for (const damage of DAMAGES) {
      expect(await outcomes(disk, damage, whole('a'))).toEqual(new Set(['12']))
    }
  })

  it('a sync covers its own file only', async () => {
    const disk = recorded()
    const [a, b] = [disk.create('a'), disk.create('b')]
    await disk.syncDirectory('')
    a.append(bytes('a'))
    b.append(bytes('b'))
    await a.sync()
    const left = afterPowerCut(disk.history, 'synced', seededRandom(1))
    expect([await contentOf(left, 'a'), await contentOf(left, 'b')]).toEqual(['a', ''])
  })

  it('prefix damage never keeps later bytes without earlier ones', async () => {
    const disk = recorded()
    const [a, b] = [disk.create('a'), disk.create('b')]
    await disk.syncDirectory('')
    for (let n = 0; n < 5; n++) {
      a.append(bytes(String(n)))
      b.append(bytes(String(n)))
    }
    const lengths = await outcomes(disk, 'prefix', async left =>
      [left.open('a').size, left.open('b').size].join(),
    )
    const possible = [0, 1, 2, 3, 4].flatMap(n => [`${n},${n}`, `${n + 1},${n}`])
    expect(lengths).toEqual(new Set([...possible, '5,5']))
  })

  it('sector damage may keep a later sector of an append without an earlier one', async () => {
    const disk = recorded()
    const file = disk.create('a')
    await disk.syncDirectory('')
    file.append(Buffer.alloc(100, 'x'))
    await file.sync()
    file.append(Buffer.alloc(1436, 'y'))
    const shapes = await outcomes(disk, 'sectors', async left => {
      const content = (await contentOf(left, 'a')) as string
      expect(content.startsWith('x'.repeat(100))).toBe(true)
      return [100, 512, 1024].map(at => (content[at] === 'y' ? 'y' : '-')).join('')
    })
    expect(shapes).toEqual(new Set(['---', 'y--', '-y-', '--y', 'yy-', 'y-y', '-yy', 'yyy']))
  })

  it('reading does not change what a power cut leaves', async () => {
    const disk = recorded()
    const file = disk.create('a')
    file.append(bytes('x'))
    const before = disk.history.length
    await file.read(0, 1)
    expect(disk.history.length).toBe(before)
  })
})

describe('the same seed', () => {
  it('the same seed leaves the same disk', async () => {
    const disk = recorded()
    const file = disk.create('a')
    file.append(seededRandom(1).bytes(5000))
    for (const damage of DAMAGES) {
      for (let seed = 0; seed < 10; seed++) {
        const twice = [0, 1].map(() => afterPowerCut(disk.history, damage, seededRandom(seed)))
        const [one, two] = [
          await contentOf(twice[0] as MemoryDisk, 'a'),
          await contentOf(twice[1] as MemoryDisk, 'a'),
        ]
        expect(one).toBe(two)
      }
    }
  })

  it('a power cut does not change the disk it was computed from', async () => {
    const disk = recorded()
    const file = disk.create('a')
    file.append(bytes('x'))
    afterPowerCut(disk.history, 'synced', seededRandom(1))
    expect(await contentOf(disk, 'a')).toBe('x')
    expect(disk.history.map(({ kind }) => kind)).toEqual(['create', 'append'])
  })
})
