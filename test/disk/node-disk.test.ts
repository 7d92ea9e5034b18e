import { mkdtempSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { DiskError } from '../../src/disk/disk.js'
import { makeFolder, NodeDisk } from '../../src/disk/node-disk.js'
import { diskContract } from './contract.js'
import { limitDescriptors, systemError, wrapCalls } from './system-calls.js'

const folders: string[] = []

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'partlog-disk-'))
  folders.push(folder)
  return folder
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

diskContract('NodeDisk', () => new NodeDisk(freshFolder()))
diskContract('NodeDisk with two descriptors', () => {
  return new NodeDisk(freshFolder(), { descriptorsMax: 2 })
})

describe('NodeDisk', () => {
  it('files and folders are created for their owner only', () => {
    const folder = freshFolder()
    const disk = new NodeDisk(folder)
    disk.makeDirectory('d')
    disk.create('d/a').close()
    expect(statSync(join(folder, 'd')).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'd/a')).mode & 0o777).toBe(0o600)
  })

  it('a disk handles many more files than descriptors, also during reads', async () => {
    const disk = new NodeDisk(freshFolder(), { descriptorsMax: 3 })
    const files = Array.from({ length: 20 }, (_, index) => disk.create(`f${index}`))
    for (const [index, file] of files.entries()) file.append(Buffer.from(`content ${index}`))
    const reads = files.map(file => file.read(0, 100))
    for (const file of files) file.append(Buffer.from('!'))
    const contents = (await Promise.all(reads)).map(String)
    expect(contents[13]).toContain('content 13')
    const again = await Promise.all(files.map(file => file.read(0, 100)))
    expect(again.map(String)).toEqual(files.map((_, index) => `content ${index}!`))
    for (const file of files) file.close()
  })

  it('a disk follows links to folders, and on a read-only disk links to files', async () => {
    const folder = freshFolder()
    mkdirSync(join(folder, 'real'))
    writeFileSync(join(folder, 'real/file'), 'x')
    mkdirSync(join(folder, 'data'))
    for (const name of ['real', 'real/file', 'nowhere']) {
      symlinkSync(join(folder, name), join(folder, 'data', name.replace('/', '-')))
    }
    const kinds = (disk: NodeDisk) => disk.list('data').map(({ name, kind }) => `${name} ${kind}`)
    expect(kinds(new NodeDisk(folder))).toEqual([
      ...['nowhere other', 'real directory', 'real-file other'],
    ])
    const reading = new NodeDisk(folder, { readOnly: true })
    expect(kinds(reading)).toEqual(['nowhere other', 'real directory', 'real-file file'])
    const file = reading.open('data/real-file')
    expect(String(await file.read(0, 1))).toBe('x')
    file.close()
  })

  it('a writable disk follows no symbolic link to a file', () => {
    const folder = freshFolder()
    writeFileSync(join(folder, 'secret'), 'x')
    symlinkSync(join(folder, 'secret'), join(folder, 'link'))
    expect(() => new NodeDisk(folder).open('link')).toThrow('ELOOP')
  })

  it('a read-only disk changes nothing', async () => {
    const folder = freshFolder()
    new NodeDisk(folder).create('a').close()
    const disk = new NodeDisk(folder, { readOnly: true })
    const file = disk.open('a')
    expect(() => file.append(Buffer.from('x'))).toThrow('EBADF')
    expect(() => disk.create('b')).toThrow('EROFS')
    expect(() => disk.rename('a', 'b')).toThrow('EROFS')
    await expect(disk.remove('a')).rejects.toMatchObject({ code: 'EROFS' })
  })

  it("a disk reports the system's error codes", () => {
    const folder = freshFolder()
    mkdirSync(join(folder, 'd'))
    const disk = new NodeDisk(folder)
    const missing = join(folder, 'nowhere')
    expect(() => disk.list('nowhere')).toThrow(`list ${missing}: ENOENT (no such file or folder)`)
    expect(() => disk.open('d')).toThrow('EISDIR')
  })

  it('a disk is named by the path of its root', async () => {
    const file = join(freshFolder(), 'file')
    writeFileSync(file, 'x')
    expect(() => new NodeDisk(file).list('')).toThrow(`list ${file}: ENOTDIR (not a folder)`)
    const below = join(file, 'd')
    await expect(makeFolder(below)).rejects.toThrow(`mkdir ${below}: ENOTDIR`)
  })
})

describe('what a system call says', () => {
  it.each([
    ['ENOSPC', 28, 'ENOSPC', true],
    ['UNKNOWN', 122, 'EDQUOT', true],
    ['Unknown system error -122', 122, 'EDQUOT', true],
    ['EFBIG', 27, 'EFBIG', true],
    ['EIO', 5, 'EIO', false],
    ['UNKNOWN', 9_999, 'UNKNOWN', false],
  ])('the system error %s, %i, becomes %s', (code, errno, name, isTransient) => {
    const file = new NodeDisk(freshFolder()).create('a')
    wrapCalls(['writeSync'], () => () => {
      throw systemError(code, errno)
    })
    const failing = (): void => file.append(Buffer.from('x'))
    expect(failing).toThrow(expect.objectContaining({ code: name, isTransient }))
    file.close()
  })

  it.each(['ENOSPC', 'EDQUOT', 'EMFILE'])('a failed sync is never transient: %s', code => {
    expect(new DiskError(code, 'append', 'a').isTransient).toBe(true)
    expect(new DiskError(code, 'open', 'a').isTransient).toBe(true)
    expect(new DiskError(code, 'sync', 'a').isTransient).toBe(false)
    expect(new DiskError(code, 'sync directory', '').isTransient).toBe(false)
  })
})

/** A fresh copy of the module, in a process with such limits. */
async function diskModule(limits: { readonly proc?: string; readonly report?: unknown }) {
  const { proc, report } = limits
  wrapCalls(['readFileSync'], real => (...args) => {
    if ((args[0] as unknown) !== '/proc/self/limits') return real(...args)
    if (proc === undefined) throw systemError('ENOENT', 2, 'open')
    return `Limit  Soft Limit  Hard Limit  Units\nMax open files   ${proc}   4096   files\n`
  })
  vi.spyOn(process.report, 'getReport').mockReturnValue({ userLimits: { open_files: report } })
  vi.resetModules()
  return await import('../../src/disk/node-disk.js')
}

describe('how many files are open at once', () => {
  afterEach(() => vi.restoreAllMocks())

  it.each([
    ['half of the limit in /proc', { proc: '100' }, 50],
    ['half of the limit in the report elsewhere', { report: { soft: 200 } }, 100],
    ['what is sure, if the limit is tiny', { proc: '9' }, 16],
    ['512, if nothing tells the limit', {}, 512],
    ['all, if there is no limit', { proc: 'unlimited' }, 600],
  ])('%s', async (_, limits, most) => {
    const module = await diskModule(limits)
    const descriptors = limitDescriptors(Infinity)
    // Two disks of one process share its limit.
    const disks = [new module.NodeDisk(freshFolder()), new module.NodeDisk(freshFolder())]
    const files = Array.from({ length: 600 }, (_, index) => {
      return (disks[index % 2] as NodeDisk).create(`f${index}`)
    })
    for (const file of files) file.append(Buffer.from('x'))
    expect(descriptors.most).toBe(most)
    for (const file of files) file.close()
    expect(descriptors.open).toBe(0)
  })

  it('files that are written in turn are not opened again below the limit', async () => {
    const module = await diskModule({ proc: '2000' })
    const descriptors = limitDescriptors(Infinity)
    const disk = new module.NodeDisk(freshFolder())
    const files = Array.from({ length: 700 }, (_, index) => disk.create(`f${index}`))
    for (let round = 0; round < 3; round++) {
      for (const file of files) file.append(Buffer.from('x'))
    }
    expect(descriptors.made).toBe(700)
    for (const file of files) file.close()
  })
})

describe('when the process has no descriptor left', () => {
  it('a call succeeds without a free descriptor by closing files that are not in use', async () => {
    const { NodeDisk } = await diskModule({ proc: '512' })
    const [one, two] = [new NodeDisk(freshFolder()), new NodeDisk(freshFolder())]
    const descriptors = limitDescriptors(6)
    one.makeDirectory('d')
    const files = Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? one : two).create(`f${index}`),
    )
    for (const [index, file] of files.entries()) {
      file.append(Buffer.from(`${index}`))
      await file.sync()
      await two.syncDirectory('')
      expect(one.list('')).toHaveLength(11)
    }
    const contents = files.map(async file => (await file.read(0, 9)).toString())
    expect(await Promise.all(contents)).toEqual(files.map((_, index) => `${index}`))
    await one.remove('d')
    expect(descriptors.most).toBe(6)
    for (const file of files) file.close()
    expect(descriptors.open).toBe(0)
  })

  it('a call fails with a transient error when every file is in use', async () => {
    const { NodeDisk } = await diskModule({ proc: '512' })
    const disk = new NodeDisk(freshFolder())
    const descriptors = limitDescriptors(1)
    const file = disk.create('a')
    file.append(Buffer.from('x'))
    const syncing = file.sync()
    expect(() => disk.create('b')).toThrow(
      expect.objectContaining({ code: 'EMFILE', isTransient: true }),
    )
    await syncing
    disk.create('b').close()
    file.close()
    expect(descriptors.open).toBe(0)
  })
})

it('no error of a sync passes by itself: what was written may be gone', () => {
  const isTransient = (operation: string) => new DiskError('ENOSPC', operation, 'a').isTransient
  const syncs = ['sync', 'sync directory'].map(isTransient)
  expect([isTransient('append'), ...syncs]).toEqual([true, false, false])
})

describe('what a disk asks the system for', () => {
  /** A disk whose module was loaded with these calls in place of the system's. */
  async function diskWith(names: Parameters<typeof wrapCalls>[0], wrap: Parameters<typeof wrapCalls>[1]) {
    wrapCalls(names, wrap)
    vi.resetModules()
    return await import('../../src/disk/node-disk.js')
  }

  it('a sync is a sync of the system: of the data of a file, of the names in a folder', async () => {
    const calls: string[] = []
    const noting = (name: string) => (real: (...args: never[]) => unknown) => (...args: never[]) => {
      calls.push(name)
      return real(...args)
    }
    wrapCalls(['fdatasync'], noting('fdatasync'))
    const { NodeDisk: Counted, makeFolder: makeCounted } = await diskWith(['fsync'], noting('fsync'))
    const root = freshFolder()
    const disk = new Counted(root)
    const file = disk.create('a')
    file.append(Buffer.from('x'))
    await file.sync()
    expect(calls).toEqual(['fdatasync'])
    await disk.syncDirectory('')
    expect(calls).toEqual(['fdatasync', 'fsync'])
    await makeCounted(join(root, 'b/c')) // the names of two folders
    expect(calls).toEqual(['fdatasync', 'fsync', 'fsync', 'fsync'])
    file.close()
  })

  it('writes and reads go on where the system left off', async () => {
    const half = (real: (...args: never[]) => unknown) => (...args: never[]) => {
      const [descriptor, buffer, offset, length, ...rest] = args as unknown as number[]
      const some = Math.ceil((length as number) / 2)
      return real(...([descriptor, buffer, offset, some, ...rest] as never[]))
    }
    const disk = new NodeDisk(freshFolder())
    const file = disk.create('a')
    wrapCalls(['writeSync', 'readSync', 'read'], half)
    file.append(Buffer.from('0123456789'))
    file.append(Buffer.from('abc'))
    expect(String(await file.read(0, 100))).toBe('0123456789abc')
    const into = Buffer.alloc(13)
    expect(file.readNow(0, into)).toBe(13)
    expect(String(into)).toBe('0123456789abc')
    file.close()
  })

  it('an append that fails half-way leaves nothing, also not behind a shorter one', async () => {
    const folder = freshFolder()
    const file = new NodeDisk(folder).create('a')
    let isFull = true
    wrapCalls(['writeSync'], real => (...args) => {
      const [descriptor, buffer, offset, length, ...rest] = args as unknown as number[]
      if (!isFull) return real(...args)
      if (offset !== 0) throw systemError('ENOSPC', 28)
      return real(...([descriptor, buffer, offset, (length as number) - 1, ...rest] as never[]))
    })
    expect(() => file.append(Buffer.from('0123456789'))).toThrow('ENOSPC')
    isFull = false
    file.append(Buffer.from('ab'))
    expect(statSync(join(folder, 'a')).size).toBe(2)
    expect(String(await file.read(0, 100))).toBe('ab')
    file.close()
  })

  it('a folder is listed by name in whatever order the system gives it', () => {
    const folder = freshFolder()
    for (const name of ['b', 'c', 'a']) writeFileSync(join(folder, name), '')
    wrapCalls(['readdirSync'], real => (...args) => (real(...args) as unknown[]).reverse())
    expect(new NodeDisk(folder).list('').map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  })
})
