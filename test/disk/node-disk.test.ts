import { mkdtempSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { NodeDisk } from '../../src/disk/node-disk.js'
import { diskContract } from './contract.js'

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
  it('shows what is stored to its owner only', () => {
    const folder = freshFolder()
    const disk = new NodeDisk(folder)
    disk.makeDirectory('d')
    disk.create('d/a').close()
    expect(statSync(join(folder, 'd')).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'd/a')).mode & 0o777).toBe(0o600)
  })

  it('works with many more files than descriptors, also while reads are under way', async () => {
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

  it('follows no symbolic link to a file', () => {
    const folder = freshFolder()
    writeFileSync(join(folder, 'secret'), 'x')
    symlinkSync(join(folder, 'secret'), join(folder, 'link'))
    expect(() => new NodeDisk(folder).open('link')).toThrow('ELOOP')
  })

  it('changes nothing when it is read-only', async () => {
    const folder = freshFolder()
    new NodeDisk(folder).create('a').close()
    const disk = new NodeDisk(folder, { readOnly: true })
    const file = disk.open('a')
    expect(() => file.append(Buffer.from('x'))).toThrow('EBADF')
    expect(() => disk.create('b')).toThrow('EROFS')
    expect(() => disk.rename('a', 'b')).toThrow('EROFS')
    await expect(disk.remove('a')).rejects.toMatchObject({ code: 'EROFS' })
  })

  it('reports what the system says', () => {
    const folder = freshFolder()
    mkdirSync(join(folder, 'd'))
    const disk = new NodeDisk(folder)
    expect(() => disk.list('nowhere')).toThrow('list nowhere: ENOENT')
    expect(() => disk.open('d')).toThrow('EISDIR')
  })
})
