import { expect, it } from 'vitest'
import { grouped } from '../../src/base/grouped.js'

it('grouped keeps the order of items in a group and of groups by their first items', () => {
  const groups = grouped(['b1', 'a1', 'b2', 'c1', 'a2'], item => item[0])
  expect([...groups]).toEqual([
    ['b', ['b1', 'b2']],
    ['a', ['a1', 'a2']],
    ['c', ['c1']],
  ])
  expect([...grouped([], item => item)]).toEqual([])
})
