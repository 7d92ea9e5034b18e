import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom, type Random } from '../../src/base/random.js'
import { DiskError, parentOf, replaceSmallFile, type Disk } from '../../src/disk/disk.js'
import { fillDisk, MemoryDisk } from '../../src/disk/memory-disk.js'
import { NodeDisk } from '../../src/disk/node-disk.js'
import { OverlayDisk } from '../../src/disk/overlay-disk.js'
import { diskContract } from './contract.js'
import { limitDescriptors } from './system-calls.js'

diskContract('OverlayDisk', () => new OverlayDisk(new MemoryDisk()))
diskContract('OverlayDisk over another', () => new OverlayDisk(new OverlayDisk(new MemoryDisk())))

const bytes = (text: string): Buffer => Buffer.from(text)

/** A disk with two folders and four files: each holds its own name. */
function filled(): MemoryDisk {
  const disk = new MemoryDisk({ recordsHistory: true })
  const paths = ['a', 'b', 'd/a', 'd/f/a']
  fillDisk(
    disk,
    ['d', 'd/f', 'e'],
    paths.map(path => [path, bytes(`<${path}>`)] as const),
  )
  return disk
}

/** Every path of a disk with what is in it; folders are null. */
async function everything(disk: Disk, folder = ''): Promise<[string, string | null][]> {
  const found: [string, string | null][] = []
  for (const { name, kind } of disk.list(folder)) {
    const path = folder === '' ? name : `${folder}/${name}`
    expect(disk.exists(path), path).toBe(true)
    if (kind === 'directory') {
      found.push([path, null], ...(await everything(disk, path)))
      continue
    }
    const file = disk.open(path)
    expect(file.path).toBe(path)
    found.push([path, (await file.read(0, file.size)).toString()])
    file.close()
  }
  return found
}

describe('a disk above another', () => {
  it('an overlay shows the files below, also later ones', async () => {
    const below = filled()
    const disk = new OverlayDisk(below)
    expect(await everything(disk)).toEqual(await everything(below))
    below.create('later').append(bytes('x'))
    expect(disk.exists('later')).toBe(true)
  })

  it('an overlay sees a file below at the size it had when it was first opened', async () => {
    const below = filled()
    const disk = new OverlayDisk(below)
    const file = disk.open('a')
    below.open('a').append(bytes(' and more'))
    expect((await file.read(0, 99)).toString()).toBe('<a>')
    expect(disk.open('a').size).toBe(3)
    file.append(bytes('!'))
    expect((await disk.open('a').read(0, 99)).toString()).toBe('<a>!')
  })

  it('an overlay keeps a file below open only while it is open here', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'partlog-overlay-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const files = new NodeDisk(folder)
    for (const name of ['a', 'b']) files.create(name).append(bytes(`<${name}>`))
    const disk = new OverlayDisk(new NodeDisk(folder, { readOnly: true }))
    const descriptors = limitDescriptors(8)
    const [one, again] = [disk.open('a'), disk.open('a')]
    disk.rename('b', 'c')
    expect(descriptors.open).toBe(1)
    one.close()
    one.close()
    one.close()
    expect((await again.read(0, 9)).toString()).toBe('<a>')
    again.append(bytes('!'))
    again.close()
    expect(descriptors.open).toBe(0)
    const later = disk.open('a')
    expect((await later.read(0, 9)).toString()).toBe('<a>!')
    later.close()
    const moved = disk.open('c')
    expect((await moved.read(0, 9)).toString()).toBe('<b>')
    moved.close()
    expect(descriptors.open).toBe(0)
  })

  it('an overlay reads across the seam between below and above at every position', async () => {
    const disk = new OverlayDisk(filled())
    const file = disk.open('d/a')
    file.truncate(4)
    file.append(bytes('XYZ'))
    const whole = '<d/aXYZ'
    for (let from = 0; from <= 9; from++) {
      for (let length = 0; length <= 9; length++) {
        expect((await file.read(from, length)).toString()).toBe(whole.slice(from, from + length))
        const into = Buffer.alloc(length)
        const count = file.readNow(from, into)
        expect(into.toString('utf8', 0, count)).toBe(whole.slice(from, from + length))
      }
    }
    file.truncate(5)
    expect((await file.read(0, 99)).toString()).toBe('<d/aX')
    expect(() => file.truncate(6)).toThrow('cut, not grown')
  })

  it('a renamed file does not reappear when its new name is removed', async () => {
    const disk = new OverlayDisk(filled())
    disk.create('new').append(bytes('made here'))
    disk.rename('a', 'new')
    disk.rename('new', 'other')
    expect(disk.exists('new')).toBe(false)
    expect(await everything(disk)).toEqual([
      ['b', '<b>'],
      ['d', null],
      ['d/a', '<d/a>'],
      ['d/f', null],
      ['d/f/a', '<d/f/a>'],
      ['e', null],
      ['other', '<a>'],
    ])
  })

  it('an overlay behaves like a plain disk for every sequence of operations', async () => {
    for (let seed = 0; seed < 200; seed++) {
      const below = filled()
      const before = below.history.length
      const plain = filled()
      const disk = new OverlayDisk(below)
      const random = seededRandom(seed)
      const steps: string[] = []
      for (let step = 0; step < 40; step++) {
        const change = randomChange(random, plain)
        steps.push(change.what)
        const answers = [await attempt(change.on, plain), await attempt(change.on, disk)]
        expect(answers[1], `seed ${seed}: ${steps.join(', ')}`).toBe(answers[0])
      }
      const where = `seed ${seed}: ${steps.join(', ')}`
      expect(await everything(disk), where).toEqual(await everything(plain))
      expect(below.history.length).toBe(before)
    }
  })
})

interface Change {
  readonly what: string
  readonly on: (disk: Disk) => Promise<void> | void
}

const PATHS = ['a', 'b', 'c', 'd', 'd/a', 'd/b', 'd/f', 'd/f/a', 'e', 'e/a', 'g', 'g/a']

/** A change that makes sense on a disk like `now`, though it may fail. */
function randomChange(random: Random, now: Disk): Change {
  const path = PATHS[random.int(PATHS.length)] as string
  const to = PATHS[random.int(PATHS.length)] as string
  const kind = kindOf(now, path)
  const text = `${random.int(100)};`
  const inFile = kindOf(now, parentOf(path)) === 'file'
  switch (random.int(6)) {
    case 0:
      if (inFile) break
      return { what: `create ${path}`, on: disk => disk.create(path).append(bytes(text)) }
    case 1:
      if (kind === 'file' || inFile) break
      return { what: `make ${path}`, on: disk => disk.makeDirectory(path) }
    case 2:
      return { what: `remove ${path}`, on: disk => disk.remove(path) }
    case 3: {
      if (kind === 'directory') break
      const cut = random.int(8)
      const on = (disk: Disk): void => {
        const file = disk.open(path)
        file.truncate(Math.min(cut, file.size))
        file.append(bytes(text))
      }
      return { what: `write ${path}`, on }
    }
    case 4: {
      const isWrong = kindOf(now, to) === 'directory' || kindOf(now, parentOf(to)) === 'file'
      if (isWrong || to === path || to.startsWith(`${path}/`)) break
      if (kind === 'directory' && now.exists(to)) break
      return { what: `rename ${path} ${to}`, on: disk => disk.rename(path, to) }
    }
    case 5:
      if (kind === 'directory' || inFile) break
      return { what: `replace ${path}`, on: disk => replaceSmallFile(disk, path, bytes(text)) }
  }
  return { what: `list ${path}`, on: disk => void disk.exists(path) }
}

function kindOf(disk: Disk, path: string): string | undefined {
  if (path === '') return 'directory'
  if (!disk.exists(path)) return undefined
  return disk.list(parentOf(path)).find(({ name }) => path.endsWith(name))?.kind
}

async function attempt(change: Change['on'], disk: Disk): Promise<string> {
  try {
    await change(disk)
    return 'done'
  } catch (error) {
    if (!(error instanceof DiskError)) throw error
    return error.code
  }
}

describe('a folder of real files', () => {
  const folders: string[] = []
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  })

  it('a folder of real files is not changed through an overlay on a read-only disk', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'partlog-overlay-'))
    folders.push(folder)
    const writer = new NodeDisk(folder)
    writer.makeDirectory('d')
    const made = writer.create('d/a')
    made.append(bytes('stored'))
    await made.sync()
    const facts = (): unknown => [
      readdirSync(folder),
      readdirSync(join(folder, 'd')),
      readFileSync(join(folder, 'd/a'), 'utf8'),
      statSync(join(folder, 'd/a')).mtimeMs,
      statSync(join(folder, 'd')).mtimeMs,
    ]
    const before = facts()
    const disk = new OverlayDisk(new NodeDisk(folder, { readOnly: true }))
    const file = disk.open('d/a')
    file.truncate(2)
    file.append(bytes('op'))
    await file.sync()
    disk.rename('d/a', 'd/b')
    disk.create('d/a').append(bytes('another'))
    await replaceSmallFile(disk, 'd/c', bytes('small'))
    await disk.remove('d/c')
    await disk.syncDirectory('d')
    expect(await everything(disk)).toEqual([
      ['d', null],
      ['d/a', 'another'],
      ['d/b', 'stop'],
    ])
    disk.rename('d', 'e')
    await disk.remove('e')
    expect(disk.list('')).toEqual([])
    expect(facts()).toEqual(before)
  })
})
