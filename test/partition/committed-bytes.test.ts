import { describe, expect, it } from 'vitest'
import { CommittedBytes } from '../../src/partition/committed-bytes.js'

describe('committed bytes', () => {
  it('are those below the end that is committed, each counted once', () => {
    const committed = new CommittedBytes()
    committed.appended(2, 100)
    committed.appended(5, 30)
    const steps = [1, 2, 4, 5, 5, 9].map(end => {
      committed.advance(end)
      return committed.bytes
    })
    expect(steps).toEqual([0, 100, 100, 130, 130, 130])
  })

  it('of a leadership that is over do not count any more', () => {
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
