/** Metadata requests: topics by name and by id. */

import { ZERO_UUID } from '../../../src/base/uuid.js'
import type { Request } from '../../../src/protocol/api.js'
import { ends, NO_TOPIC, UNKNOWN_ID, type Place } from './place.js'

export async function metadata({ ask, settled }: Place): Promise<void> {
  type Asked = NonNullable<Request<'Metadata'>['topics']>
  const about = (title: string, list: Asked | null, version: number, more: object = {}) =>
    ask(title, 'Metadata', version, { topics: list, allowAutoTopicCreation: false, ...more })
  const id = await settled('orders', true)
  for (const version of ends('Metadata')) {
    await about('a topic', [{ name: 'orders' }], version)
    if (version > 0) await about('one that is not there', [{ name: NO_TOPIC }], version)
  }
  await about('no topics', [], 1)
  await about('no topics', [], 13)
  await about('one twice', [{ name: 'orders' }, { name: 'orders' }], 9)
  await about('an empty name', [{ name: '' }], 9)
  await about('a name that is none', [{ name: 'a b' }], 9)
  await about('a name that is none, made if need be', [{ name: 'a b' }], 9, {
    allowAutoTopicCreation: true,
  })
  await about('an id', [{ name: null, topicId: id }], 12)
  await about('an id that nobody has', [{ name: null, topicId: UNKNOWN_ID }], 12)
  await about('the id of zeros', [{ name: null, topicId: ZERO_UUID }], 12)
  await about('an id in a version that has none', [{ name: 'orders', topicId: id }], 10)
  await about('name and id', [{ name: 'orders', topicId: id }], 12)
  await about('no name in an old version', [{ name: null }], 11)
  const allowed = { includeTopicAuthorizedOperations: true }
  await about('what is allowed with a topic', [{ name: 'orders' }], 9, allowed)
  const all = { ...allowed, includeClusterAuthorizedOperations: true }
  await about('what is allowed with a cluster', [], 9, all)
}
