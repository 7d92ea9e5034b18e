/** Making and removing topics. */

import { ZERO_UUID } from '../../../src/base/uuid.js'
import type { Request } from '../../../src/protocol/api.js'
import { ends, NO_TOPIC, UNKNOWN_ID, type Place } from './place.js'

type NewTopic = Request<'CreateTopics'>['topics'][number]

function topic(name: string, more: Partial<NewTopic> = {}): NewTopic {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...more }
}

const assigned = (partitionIndex: number, ...brokerIds: number[]) => ({ partitionIndex, brokerIds })

export async function topics({ ask, settled }: Place): Promise<void> {
  const create = (title: string, list: readonly NewTopic[], more: object = {}, version = 7) =>
    ask(title, 'CreateTopics', version, { topics: [...list], timeoutMs: 10_000, ...more })
  await create('orders', [topic('orders', { numPartitions: 3 })])
  await settled('orders', true)
  for (const version of ends('CreateTopics')) {
    await create('one that is there', [topic('orders')], {}, version)
    await create('nothing', [], {}, version)
  }
  for (const name of ['', '.', '..', 'a b', 'ä', 'x'.repeat(249), 'x'.repeat(250), 'a/b']) {
    await create(`the name "${name}"`, [topic(name)], { validateOnly: true })
  }
  await create('a name that collides', [topic('a.b')])
  await settled('a.b', true)
  await create('a name that collides, with it', [topic('a_b')])
  await create('one name twice', [topic('twice'), topic('twice'), topic('once')], {
    validateOnly: true,
  })
  for (const numPartitions of [0, -1, -2, -3]) {
    await create(`${numPartitions} partitions`, [topic('new', { numPartitions })], {
      validateOnly: true,
    })
  }
  for (const replicationFactor of [0, -1, -2, 2, 32_767]) {
    await create(`${replicationFactor} copies`, [topic('new', { replicationFactor })], {
      validateOnly: true,
    })
  }
  const none = { numPartitions: -1, replicationFactor: -1 }
  const assignments: Record<string, NewTopic['assignments']> = {
    'one by one': [assigned(0, 1), assigned(1, 1)],
    'in another order': [assigned(1, 1), assigned(0, 1)],
    'to a broker that is not there': [assigned(0, 9)],
    'to one twice': [assigned(0, 1, 1)],
    'to nobody': [assigned(0)],
    'with a gap': [assigned(0, 1), assigned(2, 1)],
    'from 1 on': [assigned(1, 1)],
    'one of them twice': [assigned(0, 1), assigned(0, 1)],
    'of a negative one': [assigned(-1, 1)],
    'to a negative one': [assigned(0, -1)],
  }
  for (const [title, list] of Object.entries(assignments)) {
    const fields = { ...none, assignments: list }
    await create(`assigned ${title}`, [topic('new', fields)], { validateOnly: true })
  }
  await create('assigned and counted', [topic('new', { assignments: [assigned(0, 1)] })], {
    validateOnly: true,
  })
  const configs: Record<string, [string, string | null][]> = {
    'a setting': [['retention.ms', '1000']],
    'a setting that is none': [['retention.hours', '1']],
    'a value that is none': [['retention.ms', 'soon']],
    'a value out of range': [['retention.ms', '-2']],
    'no value': [['retention.ms', null]],
    'an empty value': [['retention.ms', '']],
    'an empty name': [['', '1']],
    'a setting twice': [
      ['retention.ms', '1'],
      ['retention.ms', '2'],
    ],
    'a value with blanks': [['cleanup.policy', ' compact , delete ']],
    'an empty list': [['cleanup.policy', '']],
    'a word with blanks': [['message.timestamp.type', ' CreateTime ']],
    'a word twice': [['cleanup.policy', 'delete,delete']],
    'a word of nothing': [['cleanup.policy', 'delete,,compact']],
    'more than there is': [['retention.ms', '9999999999999999999']],
    'the most there is': [['retention.ms', '9223372036854775807']],
    'a hexadecimal ratio': [['min.cleanable.dirty.ratio', '0x1']],
    'a boolean in capitals': [['unclean.leader.election.enable', 'TRUE']],
    'a boolean that is none': [['unclean.leader.election.enable', 'yes']],
    'a number with blanks': [['segment.bytes', ' 2000000 ']],
    'a number with a fraction': [['segment.bytes', '2000000.5']],
    'a number that is too small': [['segment.bytes', '1000']],
    'a ratio': [['min.cleanable.dirty.ratio', '.5']],
    'a ratio that is none': [['min.cleanable.dirty.ratio', '1.5']],
    'two that contradict each other': [
      ['min.compaction.lag.ms', '10'],
      ['max.compaction.lag.ms', '5'],
    ],
  }
  for (const [title, list] of Object.entries(configs)) {
    const fields = { configs: list.map(([name, value]) => ({ name, value })) }
    await create(title, [topic('new', fields)], { validateOnly: true })
  }
  await removal({ ask, settled })
}

async function removal({ ask, settled }: Pick<Place, 'ask' | 'settled'>): Promise<void> {
  type Doomed = Request<'DeleteTopics'>['topics']
  const remove = (title: string, list: Doomed, version = 6) => {
    const names = list.flatMap(({ name }) => (name == null ? [] : [name]))
    const fields = version < 6 ? { topicNames: names, topics: [] } : { topics: list }
    return ask(title, 'DeleteTopics', version, { timeoutMs: 10_000, ...fields })
  }
  for (const version of [1, 5, 6]) {
    await remove('a topic that is not there', [{ name: NO_TOPIC }], version)
    await remove('no topic', [], version)
  }
  await remove('an id that nobody has', [{ name: null, topicId: UNKNOWN_ID }])
  await remove('the id of zeros', [{ name: null, topicId: ZERO_UUID }])
  await remove('by name and id', [{ name: 'orders', topicId: UNKNOWN_ID }])
  await remove('one twice', [{ name: NO_TOPIC }, { name: NO_TOPIC }])
  await remove('one that is there, twice', [{ name: 'orders' }, { name: 'orders' }])
  await remove('an empty name', [{ name: '' }])
  await ask('one to be removed', 'CreateTopics', 7, {
    topics: [topic('doomed')],
    timeoutMs: 10_000,
  })
  const topicId = await settled('doomed', true)
  await remove('one by its id, twice', [
    { name: null, topicId },
    { name: null, topicId },
  ])
  await remove('one by its name and by its id', [{ name: 'doomed' }, { name: null, topicId }])
  await remove('one by its id and by its name', [{ name: null, topicId }, { name: 'doomed' }])
  await remove('one by its id', [{ name: null, topicId }])
  await settled('doomed', false)
}
