/** `partlog demo` with several consumers, started as users do. */

import { expect, it } from 'vitest'
import { output, parseLines, partlog, tempFolder } from './helpers.js'

interface Result {
  readonly isComplete: boolean
  readonly partitions: readonly { readonly read: number; readonly committed: number }[]
  readonly group: { readonly lost: number; readonly redelivered: number }
}

it('the demo shares a stream among members, kills one and the coordinator, adds one', () => {
  const cwd = tempFolder()
  const words = ['demo', '--brokers', '3', '--consumers', '3', '--records', '3000', '--json']
  const { code, stdout, stderr } = partlog([...words, '--dir', 'shared'], { cwd })
  expect({ code, stderr }).toMatchObject({ code: 0 })
  const [result] = parseLines<Result>(stdout) as [Result]
  expect(result).toMatchObject({ isComplete: true, group: { lost: 0 } })
  expect(result.group.redelivered).toBeGreaterThan(0)
  for (const column of ['read', 'committed'] as const) {
    expect(result.partitions.reduce((sum, each) => sum + each[column], 0)).toBe(3000)
  }
  const lines = stderr.trimEnd().split('\n')
  for (const line of lines) expect(line).toMatch(/^ +\d+\.\d{3} s {2}\S/)
  expect(stderr).toMatch(/generation \d+, client member-4 joins/)
  expect(partlog(['verify', 'shared'], { cwd }).code).toBe(0)
})

it('the demo with consumers ends with a table of members', () => {
  const cwd = tempFolder()
  const text = output(['demo', '--consumers', '2', '--records', '1000', '--dir', 'two'], { cwd })
  expect(text).toMatch(/\n\nMEMBER +RECORDS +AGAIN +FATE\n(member-\d +\d+ +\d+ +[a-z]+\n){3}\n/)
  expect(text).toMatch(/\ngroup +1,000 records processed at least once, 0 lost; \d+ delivered again; /)
})
