import { describe, expect, it } from 'vitest'
import { CommittedBytes } from '../../src/partition/committed-bytes.js'

describe('committed bytes', () => {
  it('bytes below the high watermark are counted once', () => {
    const committed = new CommittedBytes()
    committed.appended(2, 100)
    committed.appended(5, 30)
    const steps = [1, 2, 4, 5, 5, 9].map(end => {
      committed.advance(end)
      return committed.bytes
    })
    expect(steps).toEqual([0, 100, 100, 130, 130, 130])
  })

  it('uncommitted bytes of an ended leadership are not counted', () => {
    const committed = new CommittedBytes()
    committed.appended(2, 100)
    committed.advance(2)
    committed.appended(5, 30)
    committed.forget()
    committed.appended(4, 7)
    committed.advance(5)
    expect(committed.bytes).toBe(107)
  })
})
