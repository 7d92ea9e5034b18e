/** What every Disk must do. Called by the test of each implementation. */

import { describe, expect, it } from 'vitest'
import {
  DiskError,
  join,
  parentOf,
  readSmallFile,
  replaceSmallFile,
  type Disk,
} from '../../src/disk/disk.js'

const bytes = (text: string): Buffer => Buffer.from(text)

export function diskContract(name: string, makeDisk: () => Disk): void {
  const write = (disk: Disk, path: string, text: string): void => {
    const file = disk.create(path)
    file.append(bytes(text))
    file.close()
  }
  const read = async (disk: Disk, path: string): Promise<string> => {
    const file = disk.open(path)
    const content = await file.read(0, file.size)
    file.close()
    return content.toString()
  }
  const failure = (call: () => unknown): string | undefined => {
    try {
      call()
      return undefined
    } catch (error) {
      expect(error).toBeInstanceOf(DiskError)
      return (error as DiskError).code
    }
  }

  describe(`${name}: files`, () => {
    it('files grow at their end and can be read anywhere', async () => {
      const file = makeDisk().create('a')
      file.append(bytes('hello '))
      file.append(bytes('world'))
      expect(file.size).toBe(11)
      expect((await file.read(4, 3)).toString()).toBe('o w')
    })

    it('reads return fewer bytes at the end of a file and none after it', async () => {
      const file = makeDisk().create('a')
      file.append(bytes('hello'))
      expect((await file.read(3, 100)).toString()).toBe('lo')
      expect((await file.read(5, 1)).length).toBe(0)
      expect((await file.read(99, 1)).length).toBe(0)
    })

    it('zeros ahead do not count as bytes of the file, appends replace them', async () => {
      const disk = makeDisk()
      const file = disk.create('a')
      file.append(bytes('hello '))
      file.writeZerosAhead(7)
      expect(file.size).toBe(6)
      expect((await file.read(0, 99)).toString()).toBe('hello ')
      expect(file.readNow(4, bytes('....'))).toBe(2)
      const ahead = file.zerosAhead
      file.append(bytes('world'))
      expect(file.zerosAhead).toBe(Math.max(0, ahead - 5))
      expect(file.size).toBe(11)
      await file.sync()
      const left = '\0'.repeat(file.zerosAhead)
      expect(await read(disk, 'a')).toBe(`hello world${left}`)
      file.append(bytes('!!!'))
      expect(await read(disk, 'a')).toBe('hello world!!!')
      expect(file.zerosAhead).toBe(0)
      file.writeZerosAhead(300_000)
      file.truncate(5)
      expect(file.zerosAhead).toBe(0)
      expect(await read(disk, 'a')).toBe('hello')
      file.writeZerosAhead(3)
      file.writeZerosAhead(2)
      const most = file.zerosAhead
      expect([0, 3]).toContain(most)
      file.close()
      expect(await read(disk, 'a')).toBe(`hello${'\0'.repeat(most)}`)
    })

    it('a read at once fills a buffer as far as the file goes', () => {
      const file = makeDisk().create('a')
      file.append(bytes('hello '))
      file.append(bytes('world'))
      const into = bytes('........')
      expect(file.readNow(4, into)).toBe(7)
      expect(into.toString()).toBe('o world.')
      expect(file.readNow(0, into)).toBe(8)
      expect(into.toString()).toBe('hello wo')
      expect(file.readNow(11, into)).toBe(0)
      expect(file.readNow(99, into)).toBe(0)
      file.close()
      expect(failure(() => file.readNow(0, into))).toBe('EBADF')
    })

    it('a read returns bytes that the caller owns', async () => {
      const file = makeDisk().create('a')
      const source = bytes('hello')
      file.append(source)
      source.fill(0)
      ;(await file.read(0, 5)).fill(0)
      expect((await file.read(0, 5)).toString()).toBe('hello')
    })

    it('files can be truncated and grow again', async () => {
      const file = makeDisk().create('a')
      file.append(bytes('hello world'))
      file.truncate(5)
      file.append(bytes('!'))
      expect((await file.read(0, 99)).toString()).toBe('hello!')
    })

    it('files keep large content byte for byte', async () => {
      const file = makeDisk().create('a')
      const all = Buffer.alloc(1_000_000)
      for (let at = 0; at < all.length; at++) all[at] = (at * 31) >> 3
      for (let at = 0; at < all.length; at += 7777) file.append(all.subarray(at, at + 7777))
      expect(file.size).toBe(all.length)
      expect((await file.read(0, all.length)).equals(all)).toBe(true)
      expect((await file.read(262_100, 100)).equals(all.subarray(262_100, 262_200))).toBe(true)
    })

    it('files have the same content when they are opened again', async () => {
      const disk = makeDisk()
      write(disk, 'a', 'hello')
      const file = disk.open('a')
      expect(file.size).toBe(5)
      file.append(bytes('!'))
      await file.sync()
      expect(await read(disk, 'a')).toBe('hello!')
    })

    it('files throw after close', async () => {
      const file = makeDisk().create('a')
      file.close()
      file.close()
      expect(failure(() => file.append(bytes('x')))).toBe('EBADF')
      await expect(file.read(0, 1)).rejects.toMatchObject({ code: 'EBADF' })
      await expect(file.sync()).rejects.toMatchObject({ code: 'EBADF' })
    })
  })

  describe(`${name}: names`, () => {
    it('create refuses an existing name, open a missing one', () => {
      const disk = makeDisk()
      write(disk, 'a', '')
      expect(failure(() => disk.create('a'))).toBe('EEXIST')
      expect(failure(() => disk.open('b'))).toBe('ENOENT')
      expect(failure(() => disk.create('no/a'))).toBe('ENOENT')
      expect(failure(() => disk.list('no'))).toBe('ENOENT')
    })

    it('a folder is listed sorted by name, with the kinds of its entries', () => {
      const disk = makeDisk()
      disk.makeDirectory('b')
      disk.makeDirectory('b')
      write(disk, 'b/inner', '')
      write(disk, 'c', '')
      write(disk, 'a', '')
      expect(disk.list('')).toEqual([
        { name: 'a', kind: 'file' },
        { name: 'b', kind: 'directory' },
        { name: 'c', kind: 'file' },
      ])
      expect(disk.list('b')).toEqual([{ name: 'inner', kind: 'file' }])
    })

    it('open files follow a rename', async () => {
      const disk = makeDisk()
      disk.makeDirectory('d')
      const file = disk.create('d/a')
      file.append(bytes('one'))
      disk.rename('d/a', 'd/b')
      expect(file.path).toBe('d/b')
      disk.rename('d', 'e')
      expect(file.path).toBe('e/b')
      file.append(bytes(' two'))
      expect(await read(disk, 'e/b')).toBe('one two')
      expect([disk.exists('d'), disk.exists('d/a'), disk.exists('e')]).toEqual([false, false, true])
    })

    it('a rename replaces a file in one step', async () => {
      const disk = makeDisk()
      write(disk, 'a', 'new')
      write(disk, 'b', 'old')
      disk.rename('a', 'b')
      expect(await read(disk, 'b')).toBe('new')
      expect(disk.exists('a')).toBe(false)
    })

    it('remove deletes a folder with everything in it, and ignores a missing one', async () => {
      const disk = makeDisk()
      disk.makeDirectory('d')
      disk.makeDirectory('d/e')
      write(disk, 'd/e/f', 'x')
      write(disk, 'de', 'x')
      await disk.remove('d')
      await disk.remove('d')
      expect(disk.list('')).toEqual([{ name: 'de', kind: 'file' }])
    })

    it('a file that is removed while it is open can still be read', async () => {
      const disk = makeDisk()
      const file = disk.create('a')
      file.append(bytes('still here'))
      await disk.remove('a')
      expect((await file.read(0, 99)).toString()).toBe('still here')
    })

    it('a folder can be synced', async () => {
      const disk = makeDisk()
      disk.makeDirectory('d')
      await disk.syncDirectory('d')
      await disk.syncDirectory('')
      await expect(disk.syncDirectory('no')).rejects.toMatchObject({ code: 'ENOENT' })
    })
  })

  describe(`${name}: whole small files`, () => {
    it('whole small files are replaced, read and bounded in size', async () => {
      const disk = makeDisk()
      disk.makeDirectory('d')
      expect(await readSmallFile(disk, 'd/a', 10)).toBeUndefined()
      await replaceSmallFile(disk, 'd/a', bytes('one'))
      await replaceSmallFile(disk, 'd/a', bytes('two'))
      expect((await readSmallFile(disk, 'd/a', 10))?.toString()).toBe('two')
      expect(disk.list('d')).toHaveLength(1)
      await expect(readSmallFile(disk, 'd/a', 2)).rejects.toMatchObject({ code: 'EFBIG' })
    })
  })
}

describe('paths', () => {
  it('paths are joined and split', () => {
    expect([join('', 'a'), join('a', 'b'), parentOf('a/b/c'), parentOf('a')]).toEqual([
      'a',
      'a/b',
      'a/b',
      '',
    ])
  })
})
