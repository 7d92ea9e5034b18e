import { describe, expect, it } from 'vitest'
import { batchOf, copied, FOLDER, open, readAll, world, type World } from '../helpers.js'

const COMPACTED = { 'cleanup.policy': 'compact' }

/** A folder with these files; a text is the values of batches of one record, by offset. */
function folderWith(files: Readonly<Record<string, string>>): World {
  const w = world(COMPACTED)
  w.disk.makeDirectory(FOLDER)
  for (const [name, text] of Object.entries(files)) {
    const batches = text.split(' ').filter(word => word !== '')
    const bytes = batches.map(word => {
      const [offset, value = ''] = word.split(':')
      return copied(batchOf([value]), Number(offset), 0)
    })
    w.disk.create(`${FOLDER}/${name}`).append(Buffer.concat(bytes))
  }
  return w
}

const file = (base: number, rest: string): string => `${String(base).padStart(20, '0')}.${rest}`

function namesIn(w: World): string[] {
  return w.disk
    .list(FOLDER)
    .map(({ name }) => name)
    .filter(name => /\.log|cleaned|swap|deleted|txnindex/.test(name))
}

describe('a folder that was left in the middle of a swap', () => {
  it('opening removes files that were cleaned but not swapped', async () => {
    const w = folderWith({
      [file(0, 'log')]: '0:a 1:b',
      [file(2, 'log')]: '2:c',
      [file(0, 'log.cleaned')]: '1:b',
      [file(0, 'index.cleaned')]: '',
    })
    expect(await readAll((await open(w)).log)).toEqual(['0:a', '1:b', '2:c'])
    expect(namesIn(w)).toEqual([file(0, 'log'), file(2, 'log')])
  })

  it('opening undoes a swap whose renames are incomplete', async () => {
    const w = folderWith({
      [file(0, 'log')]: '0:a 1:b',
      [file(2, 'log')]: '2:c',
      [file(0, 'log.swap')]: '1:b',
      [file(0, 'index.cleaned')]: '',
    })
    expect(await readAll((await open(w)).log)).toEqual(['0:a', '1:b', '2:c'])
    expect(namesIn(w)).toEqual([file(0, 'log'), file(2, 'log')])
  })

  it('opening finishes a swap and removes only the segments that lie in it', async () => {
    const w = folderWith({
      [file(0, 'log')]: '0:a 1:b',
      [file(0, 'txnindex')]: '',
      [file(2, 'log.deleted')]: '2:c 3:d',
      [file(4, 'log')]: '4:e 5:f',
      [file(8, 'log')]: '8:g',
      [file(0, 'log.swap')]: '1:b 5:f',
    })
    expect(await readAll((await open(w)).log)).toEqual(['1:b', '5:f', '8:g'])
    expect(namesIn(w)).toEqual([file(0, 'log'), file(8, 'log')])
  })

  it('a swap replaces the first segment even if it has no records left', async () => {
    const w = folderWith({
      [file(0, 'log')]: '0:a 1:b',
      [file(2, 'log')]: '2:b',
      [file(0, 'log.swap')]: '',
    })
    expect(await readAll((await open(w)).log)).toEqual(['2:b'])
  })

  it('opening renames the last files of a swap', async () => {
    const w = folderWith({
      [file(0, 'log')]: '1:b',
      [file(0, 'index.swap')]: '',
      [file(0, 'timeindex.swap')]: '',
      [file(2, 'log')]: '2:c',
    })
    const { log, findings } = await open(w)
    expect(await readAll(log)).toEqual(['1:b', '2:c'])
    expect(findings.filter(({ file: path }) => path.includes(file(0, '')))).toEqual([])
    expect(namesIn(w)).toEqual([file(0, 'log'), file(2, 'log')])
  })

  it('opening removes nothing if the swap is damaged, unless told to truncate', async () => {
    const w = folderWith({ [file(0, 'log')]: '0:a 1:b', [file(2, 'log')]: '2:c' })
    const bytes = Buffer.concat([copied(batchOf(['b']), 1, 0), Buffer.alloc(80, 7)])
    w.disk.create(`${FOLDER}/${file(0, 'log.swap')}`).append(bytes)
    w.disk.create(`${FOLDER}/${file(9, 'log.deleted')}`)
    const before = namesIn(w)
    await expect(open(w)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    expect(namesIn(w)).toEqual(before)
    await open(w, { onCorruption: 'truncate' })
    expect(namesIn(w)).not.toContain(file(0, 'log.swap'))
  })
})
