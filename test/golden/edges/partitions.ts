/** More partitions. */

import type { Request } from '../../../src/protocol/api.js'
import { ends, NO_TOPIC, type Place } from './place.js'

export async function partitions({ ask }: Place): Promise<void> {
  type More = Request<'CreatePartitions'>['topics'][number]
  const grow = (title: string, list: readonly More[], version = 3) =>
    ask(title, 'CreatePartitions', version, {
      topics: [...list],
      timeoutMs: 10_000,
      validateOnly: true,
    })
  for (const version of ends('CreatePartitions')) {
    await grow('more', [{ name: 'orders', count: 5, assignments: null }], version)
    await grow('nothing', [], version)
  }
  for (const count of [3, 2, 0, -1]) {
    await grow(`${count} of 3`, [{ name: 'orders', count, assignments: null }])
  }
  await grow('a topic that is not there', [{ name: NO_TOPIC, count: 5, assignments: null }])
  await grow('a name that is none', [{ name: 'a b', count: 5, assignments: null }])
  const twice = { name: 'orders', count: 5, assignments: null }
  await grow('one twice', [twice, twice])
  const lists: Record<string, number[][]> = {
    'as many as there are': [[1], [1]],
    'too few': [[1]],
    'too many': [[1], [1], [1]],
    none: [],
    'to nobody': [[], []],
    'to a broker that is not there': [[1], [9]],
    'with more copies': [[1, 2], [1]],
    'to one twice': [[1, 1], [1]],
  }
  for (const [title, list] of Object.entries(lists)) {
    const assignments = list.map(brokerIds => ({ brokerIds }))
    await grow(`assigned: ${title}`, [{ name: 'orders', count: 5, assignments }])
  }
}
