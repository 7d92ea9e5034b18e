/** What is cut off a log is kept, however often that happens at the same place. */

import { describe, expect, it } from 'vitest'
import { DiskError } from '../../../src/disk/disk.js'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import { keepAside } from '../../../src/log/format/kept-aside.js'
import { createEmpty, history, world } from '../helpers.js'

const FIRST = 'orders-0/00000000000000000000.log'

describe('what is cut off', () => {
  it('bytes cut off at the same position again are kept in another file', async () => {
    const w = world()
    const log = await createEmpty(w)
    const kept: (readonly string[])[] = []
    for (const prefix of ['a', 'b', 'c']) {
      log.appendAsFollower(history(log.logEndOffset, 3, 0, prefix))
      kept.push(await log.truncateTo(1))
    }
    expect(kept).toEqual([
      [`${FIRST}.70.kept`],
      [`${FIRST}.70.2.kept`],
      [`${FIRST}.70.3.kept`],
    ])
    const contents = await Promise.all(
      kept.flat().map(async path => (await w.disk.open(path).read(0, 1_000)).toString('latin1')),
    )
    expect(contents.map(text => /[abc]\d/.exec(text)?.[0])).toEqual(['a1', 'b1', 'c1'])
  })

  it('bytes are not kept twice when a crash has interrupted the recovery', async () => {
    const disk = new MemoryDisk()
    const file = disk.create('f.log')
    file.append(Buffer.from('0123456789'))
    expect(await keepAside(disk, file, 4)).toBe('f.log.4.kept')
    expect(await keepAside(disk, file, 4)).toBe('f.log.4.kept')
    expect((await disk.open('f.log.4.kept').read(0, 99)).toString()).toBe('456789')
    expect(await keepAside(disk, file, 10)).toBeUndefined()
  })

  it('bytes that cannot be copied are not cut off, and no file is left', async () => {
    const w = world()
    const log = await createEmpty(w)
    log.appendAsFollower(history(0, 5, 0))
    w.disk.beforeOperation = operation => {
      if (operation.kind === 'append' && operation.path.endsWith('.kept')) {
        throw new DiskError('ENOSPC', 'append', operation.path)
      }
      return undefined
    }
    await expect(log.truncateTo(2)).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    w.disk.beforeOperation = undefined
    expect(log.logEndOffset).toBe(5)
    expect(w.disk.list('orders-0').filter(({ name }) => name.endsWith('.kept'))).toEqual([])
    expect(await log.truncateTo(2)).toHaveLength(1)
  })
})
