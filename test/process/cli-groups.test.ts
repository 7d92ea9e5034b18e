/** `partlog groups` on folders without a running process: shows, resets and deletes groups. */

import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../../src/index.js'
import { child, contentOf, ended, jsonLines, output, partlog } from './helpers.js'
import { printed, tempFolder } from './helpers.js'

const root = tempFolder()
/** No group at all, two that only keep offsets, one whose member was killed. */
const [none, two, killed] = ['none', 'two', 'killed'].map(name => join(root, name)) as [
  string,
  string,
  string,
]

beforeAll(async () => {
  const cluster = await Cluster.open({ dir: none, durability: 'process' })
  await cluster.admin.createTopic({ topic: 'orders', partitions: 2 })
  await cluster.admin.createTopic({ topic: 'other' })
  const producer = cluster.producer()
  for (let n = 0; n < 10; n++) {
    const timestamp = Date.parse('2026-01-01T00:00:00Z') + n * 60_000
    await producer.send({
      topic: 'orders',
      messages: [{ partition: 0, timestamp, value: `v${n}` }],
    })
  }
  await cluster.close()

  cpSync(none, two, { recursive: true })
  const again = await Cluster.open({ dir: two, durability: 'process' })
  const [first, second] = [0, 1].map(partition => ({ topic: 'orders', partition, offset: 0 }))
  const offsets = [{ ...first, offset: 4, metadata: 'note' }, second, { ...first, topic: 'other' }]
  await again.admin.alterGroupOffsets({ groupId: 'billing', offsets: offsets as never })
  await again.admin.alterGroupOffsets({ groupId: 'audit', offsets: [{ ...first, offset: 10 }] as never })
  await again.close()

  cpSync(none, killed, { recursive: true })
  const holder = child(
    `const cluster = await Cluster.open({ dir: process.argv[1] })
     const consumer = cluster.consumer({ groupId: 'g', clientId: 'c', autoOffsetReset: 'earliest' })
     await consumer.subscribe(['orders'])
     await consumer.poll({ timeoutMs: 10_000 })
     await consumer.commit()
     console.log('committed')
     setInterval(() => undefined, 1000)`,
    killed,
  )
  await printed(holder, 'committed')
  holder.kill('SIGKILL')
  await ended(holder)
})

/** A copy of a folder that may be changed. */
function copy(folder: string): string {
  const target = join(tempFolder(), 'copy')
  cpSync(folder, target, { recursive: true })
  return target
}

const nobody = { memberId: null, clientHost: null, clientId: null }

describe('groups are shown', () => {
  it('groups lists all groups with their lag', () => {
    expect(output(['groups', '--dir', none, '--json'])).toBe('')
    expect(output(['groups', '--dir', two])).toBe(
      'GROUP    STATE  PARTITIONS  LAG\n' +
        'audit    Empty           1    0\n' +
        'billing  Empty           3    6\n',
    )
    expect(jsonLines(['groups', '--dir', two, '--json'])).toEqual([
      { group: 'audit', state: 'Empty', partitions: 1, lag: 0 },
      { group: 'billing', state: 'Empty', partitions: 3, lag: 6 },
    ])
  })

  it('groups shows one group by partition, with the columns of kafka-consumer-groups', () => {
    const text = output(['groups', 'billing', '--dir', two])
    expect(text.split('\n')[0]?.split(/ +/)).toEqual([
      ...['GROUP', 'TOPIC', 'PARTITION', 'CURRENT-OFFSET', 'LOG-END-OFFSET', 'LAG'],
      ...['CONSUMER-ID', 'HOST', 'CLIENT-ID'],
    ])
    expect(text).toMatch(/^billing +orders +0 +4 +10 +6 +- +- +-$/m)
    expect(output(['groups', '--describe', '--group', 'billing', '--dir', two])).toBe(text)
    expect(jsonLines(['groups', 'billing', '--dir', two, '--json'])).toEqual(
      [
        ...[0, 1].map(partition => {
          const place = { group: 'billing', topic: 'orders', partition }
          if (partition === 1) return { ...place, offset: 0, metadata: '', endOffset: 0, lag: 0 }
          return { ...place, offset: 4, metadata: 'note', endOffset: 10, lag: 6 }
        }),
        {
          group: 'billing',
          topic: 'other',
          partition: 0,
          offset: 0,
          metadata: '',
          endOffset: 0,
          lag: 0,
        },
      ].map(row => ({ ...row, ...nobody })),
    )
  })

  it('groups shows all groups by partition, by member and by state', () => {
    const groups = (...words: string[]): unknown[] =>
      jsonLines(['groups', ...words, '--dir', two, '--json']).map(({ group }) => group)
    expect(groups('--describe')).toEqual(['audit', 'billing', 'billing', 'billing'])
    expect(groups('--state')).toEqual(['audit', 'billing'])
    expect(groups('--members')).toEqual([])
    expect(output(['groups', '--state', '--dir', two])).toBe(
      'GROUP    COORDINATOR  ASSIGNOR  STATE  #MEMBERS\n' +
        'audit              1         -  Empty         0\n' +
        'billing            1         -  Empty         0\n',
    )
  })

  it('groups shows the members of a killed process, and changes nothing', () => {
    const before = contentOf(killed)
    const [row] = jsonLines(['groups', 'g', '--dir', killed, '--json'])
    expect(row).toMatchObject({ offset: 10, lag: 0, clientId: 'c' })
    const text = output(['groups', 'g', '--dir', killed])
    expect(text).toMatch(/^g +orders +0 +10 +10 +0 +c-\w+ +- +c$/m)
    const id = String(row?.['memberId'])
    expect(id).toMatch(/^c-/)
    const all = [
      { topic: 'orders', partition: 0 },
      { topic: 'orders', partition: 1 },
    ]
    expect(jsonLines(['groups', '--members', '--dir', killed, '--json'])).toEqual([
      {
        group: 'g',
        memberId: id,
        groupInstanceId: null,
        clientId: 'c',
        clientHost: '',
        topics: ['orders'],
        partitions: all,
      },
    ])
    expect(output(['groups', 'g', '--members', '--dir', killed])).toMatch(
      /^GROUP +CONSUMER-ID +HOST +CLIENT-ID +#PARTITIONS +ASSIGNMENT\ng +c-\w+ +- +c +2 +orders-0,orders-1$/m,
    )
    const state = { group: 'g', coordinator: 1, assignor: 'range', state: 'Stable', members: 1 }
    expect(jsonLines(['groups', 'g', '--state', '--dir', killed, '--json'])).toEqual([state])
    expect(contentOf(killed)).toEqual(before)
  })
})

describe('a group is moved', () => {
  const reset = (...words: string[]): string[] => ['groups', 'billing', '--reset-offsets', ...words]

  const offsetsIn = (folder: string): unknown[] =>
    jsonLines(['groups', 'billing', '--dir', folder, '--json']).map(({ offset }) => offset)

  it.each([
    [['--to-earliest'], [0, 0, 0]],
    [['--to-latest'], [10, 0, 0]],
    [
      ['--to-offset', '7'],
      [7, 0, 0],
    ],
    [
      ['--to-datetime', '2026-01-01T00:02:30Z'],
      [3, 0, 0],
    ],
    [
      ['--shift-by', '2'],
      [6, 0, 0],
    ],
    [['--shift-by=-3'], [1, 0, 0]],
  ])('%j', (words, expected) => {
    const folder = copy(two)
    const rows = jsonLines([...reset(...words), '--execute', '--json', '--dir', folder])
    expect(rows.map(({ offset }) => offset)).toEqual(expected)
    expect(rows[0]).toMatchObject({ group: 'billing', topic: 'orders', partition: 0, before: 4 })
    expect(offsetsIn(folder)).toEqual(expected)
  })

  it('a reset moves only the partitions of --topic', () => {
    const folder = copy(two)
    const places = (topic: string): unknown[] =>
      jsonLines([...reset('--to-latest'), '--topic', topic, '--json', '--dir', folder]).map(
        each => `${each['topic']}-${each['partition']}`,
      )
    expect(places('orders')).toEqual(['orders-0', 'orders-1'])
    expect(places('orders:1')).toEqual(['orders-1'])
    expect(places('orders:1,0')).toEqual(['orders-0', 'orders-1'])
    expect(places('other')).toEqual(['other-0'])
  })

  it.each([[[]], [['--dry-run']]])('a reset with %j only shows the new offsets', words => {
    const before = contentOf(two)
    const { code, stdout, stderr } = partlog([...reset('--to-latest', ...words), '--dir', two])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^GROUP +TOPIC +PARTITION +CURRENT-OFFSET +NEW-OFFSET\nbilling +orders +0 +4 +10$/m,
    )
    expect(stderr).toBe('partlog: dry run, nothing was changed; --execute commits the offsets\n')
    expect(contentOf(two)).toEqual(before)
  })

  it('a reset creates a new group, and prints only the result', () => {
    const folder = copy(none)
    const words = ['groups', 'new', '--reset-offsets', '--to-offset', '3', '--topic', 'orders:0']
    expect(partlog([...words, '--execute', '--json', '--dir', folder])).toEqual({
      code: 0,
      stdout: '{"group":"new","topic":"orders","partition":0,"before":null,"offset":3}\n',
      stderr: '',
    })
  })

  it('a reset moves a group whose members were killed with their process', () => {
    const folder = copy(killed)
    output(['groups', 'g', '--reset-offsets', '--shift-by=-4', '--execute', '--dir', folder])
    const [row] = jsonLines(['groups', 'g', '--dir', folder, '--json'])
    expect(row).toMatchObject({ offset: 6, lag: 4, ...nobody })
  })
})

describe('a group is deleted', () => {
  it.each([
    ['that only keeps offsets', two, 'billing', ['audit']],
    ['whose members were killed', killed, 'g', []],
  ])('%s', (_, from, group, left) => {
    const folder = copy(from)
    expect(output(['groups', group, '--delete', '--dir', folder])).toBe('')
    expect(jsonLines(['groups', '--dir', folder, '--json']).map(each => each['group'])).toEqual(
      left,
    )
  })
})

describe('while another process runs', () => {
  it('groups can be shown, but not changed, while another process owns the folder', async () => {
    const folder = copy(two)
    const holder = await Cluster.open({ dir: folder })
    for (const words of [
      ['groups', 'billing', '--delete'],
      ['groups', 'billing', '--reset-offsets', '--to-latest', '--execute'],
    ]) {
      const { code, stderr } = partlog([...words, '--dir', folder])
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^partlog: LOCKED: [^\n]*\n$/)])
    }
    expect(jsonLines(['groups', 'billing', '--dir', folder, '--json'])).toHaveLength(3)
    await holder.close()
  })
})
