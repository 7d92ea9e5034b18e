import { expect, it, vi } from 'vitest'
import { giveBack, lendBuffer } from '../../../src/model/batch/read-buffers.js'

it('memory that is given back is lent again, once', () => {
  const one = lendBuffer(100_000)
  expect(one.length).toBe(100_000)
  giveBack(one.subarray(10, 20))
  giveBack(one)
  const two = lendBuffer(90_000)
  expect(two.buffer).toBe(one.buffer)
  expect(two.length).toBe(90_000)
  expect(lendBuffer(90_000).buffer).not.toBe(one.buffer)
})

it('memory that is too small is not lent', () => {
  const small = lendBuffer(1_000)
  giveBack(small)
  const large = lendBuffer(200_000)
  expect(large.buffer).not.toBe(small.buffer)
  expect(large.length).toBe(200_000)
})

it('bytes that were not lent are left alone', () => {
  const own = Buffer.alloc(40_000)
  giveBack(own)
  expect(lendBuffer(40_000).buffer).not.toBe(own.buffer)
})

it('few buffers are kept', () => {
  const all = Array.from({ length: 20 }, () => lendBuffer(50_000))
  for (const each of all) giveBack(each)
  const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow')
  for (let n = 0; n < 20; n++) lendBuffer(50_000)
  expect(allocate.mock.calls.length).toBeGreaterThanOrEqual(16)
  allocate.mockRestore()
})
