import { expect, it } from 'vitest'
import { isComplete, type DemoRun } from '../../src/cli/demo.js'

const partition = { read: 5, committed: 5, endOffset: 5 }
const failover = {
  killed: 1,
  failoverMs: 9,
  acknowledged: 10,
  missing: 0,
  doubled: 0,
  outOfOrder: 0,
  isHealed: true,
}
const well: DemoRun = {
  written: { records: 10 },
  partitions: [partition, partition],
  failover,
  group: { lost: 0 },
}

it('a run is complete if every record was read and committed', () => {
  expect(isComplete(well)).toBe(true)
  expect(isComplete({ ...well, failover: undefined, group: undefined })).toBe(true)
})

it.each<[string, Partial<DemoRun>]>([
  ['a record was not read', { partitions: [partition, { ...partition, read: 4 }] }],
  ['a commit is missing', { partitions: [partition, { ...partition, committed: 4 }] }],
  ['the group has lost a record', { group: { lost: 1 } }],
  ['an acknowledged record is missing', { failover: { ...failover, missing: 1 } }],
  ['a record is doubled', { failover: { ...failover, doubled: 1 } }],
  ['a record is out of order', { failover: { ...failover, outOfOrder: 1 } }],
  ['a replica is not in sync', { failover: { ...failover, isHealed: false } }],
])('a run is not complete if %s', (_, wrong) => {
  expect(isComplete({ ...well, ...wrong })).toBe(false)
})
