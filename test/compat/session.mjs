/**
 * One session for every client: topics, records with keys and headers, a group of two, a broker
 * that dies (where there are several), commits, a restart, offsets, groups, the end. Its result has
 * no ids, times or addresses in it: it has to be the same wherever it runs.
 *
 * A client is an object of these; what it cannot do it has not, and that step is left out:
 *
 *   createTopic(topic, partitions, replicas)   deleteTopic(topic)   listTopics() → names
 *   describeTopic(topic) → { partitions, replicas }       both counts
 *   produce(topic, messages)                   with a producer of its own; → places or nothing
 *   consumer(group, topic) → { records, partitions(), failure?(), close() }   close commits
 *   committed(group, topic) → offsets          offsets(topic) → { earliest, latest, atTime }
 *   describeGroup(group) → { state, protocolType, memberCount }
 *   listGroups() → names   deleteGroup(group)  ask(topic) → answer   close()
 */

import { waitFor } from './wait.mjs'

const PARTITIONS = 4
function messagesOf(name, count) {
  return Array.from({ length: count }, (_, n) => ({
    key: `customer-${n % 10}`,
    value: `${name}-${n}`,
    headers: { trace: `t${n}` },
  }))
}

/** Runs the session at a target; `name` makes its topic and group its own. */
export async function runSession(client, target, name) {
  const topic = `orders-${name}`
  const group = `billing-${name}`
  const readers = new Readers(client, { topic, group })
  try {
    const topics = await makeTopic(client, target, topic)
    const { records, ...work } = await readAndWrite(client, target, { topic, group, readers })
    const admin = await lookAndDelete(client, { topic, group })
    return { topics, work, records, admin }
  } finally {
    await readers.close()
    await client.close()
  }
}

/** The consumers of a session; those that are open when it fails are closed all the same. */
class Readers {
  #client
  #place
  #open = new Set()

  constructor(client, place) {
    this.#client = client
    this.#place = place
  }

  async open() {
    const consumer = await this.#client.consumer(this.#place.group, this.#place.topic)
    this.#open.add(consumer)
    return consumer
  }

  async leave(consumer) {
    this.#open.delete(consumer)
    await consumer.close()
  }

  /** Waits until it is so, or until one of them has failed. */
  waitFor(what, isSo) {
    return waitFor(what, () => {
      for (const each of this.#open) {
        const failure = each.failure?.()
        if (failure !== undefined) throw failure
      }
      return isSo()
    })
  }

  async close() {
    await Promise.allSettled([...this.#open].map(each => each.close()))
  }
}

async function makeTopic(client, { replicas }, topic) {
  const created = await has(client, 'createTopic', topic, PARTITIONS, replicas)
  if (created === undefined) await client.produce(topic, []) // it is made when it is first used
  const again = await has(client, 'createTopic', topic, PARTITIONS, replicas)
  await waitFor('the topic', async () => (await partitionCount(client, topic)) === PARTITIONS)
  const described = await has(client, 'describeTopic', topic)
  return {
    created,
    again,
    partitions: described?.partitions,
    hasItsReplicas: described && described.replicas === replicas,
  }
}

async function partitionCount(client, topic) {
  if (client.describeTopic === undefined) return PARTITIONS
  return (await client.describeTopic(topic).catch(() => undefined))?.partitions
}

async function readAndWrite(client, target, { topic, group, readers }) {
  const places = await client.produce(topic, messagesOf('first', 20))
  const one = await readers.open()
  await readers.waitFor('20 records', () => distinct(one).size >= 20)
  const two = await readers.open()
  const both = [one, two]
  const shares = () => both.map(each => each.partitions().length)
  await readers.waitFor('a share for each', () => shares().every(it => it === PARTITIONS / 2))
  await client.produce(topic, messagesOf('second', 20))
  await readers.waitFor('40 records', () => distinct(...both).size >= 40)
  await target.kill?.(topic, client.canLoseCoordinator === false ? group : undefined)
  await client.produce(topic, messagesOf('third', 20))
  await readers.waitFor('60 records', () => distinct(...both).size >= 60)
  await target.restart?.()
  // What came when the coordinator may have been gone is committed with what comes now.
  await client.produce(topic, messagesOf('fourth', 20))
  await readers.waitFor('80 records', () => distinct(...both).size >= 80)
  const described = await describedWhenStable(client, group)
  await readers.leave(two)
  await readers.waitFor('all for one', () => one.partitions().length === PARTITIONS)
  await readers.leave(one)
  const committed = await has(client, 'committed', group, topic)
  const resumed = await resume(client, topic, readers)
  const records = [...new Map([...distinct(...both), ...resumed]).values()].sort(byPlace)
  const answer = await has(client, 'ask', `${topic}-ask`)
  return {
    records,
    places: places?.map(placeOf).sort(),
    described,
    committed,
    resumed: [...resumed.values()].map(({ value }) => value).sort(),
    answer,
  }
}

/** What has died may still be known to a client, or be missed by the group. */
async function describedWhenStable(client, group) {
  let described
  await waitFor('a stable group', async () => {
    described = await has(client, 'describeGroup', group)
    if (described === undefined) return true
    return described.memberCount === 2 && !/rebalanc/i.test(described.state)
  })
  return described
}

/** A consumer that comes later gets what the ones before it did not. */
async function resume(client, topic, readers) {
  await client.produce(topic, messagesOf('later', 5))
  const again = await readers.open()
  await readers.waitFor('5 records', () => distinct(again).size >= 5)
  await readers.leave(again)
  return distinct(again)
}

async function lookAndDelete(client, { topic, group }) {
  const offsets = await has(client, 'offsets', topic)
  const isListed = (await has(client, 'listTopics'))?.includes(topic)
  const isGroupListed = (await has(client, 'listGroups'))?.includes(group)
  const emptied = await has(client, 'describeGroup', group)
  const deletedGroup = await has(client, 'deleteGroup', group)
  const deletedAgain = await has(client, 'deleteGroup', group)
  const deleted = await has(client, 'deleteTopic', topic)
  const isGone = deleted && !(await client.listTopics()).includes(topic)
  const missing = await has(client, 'deleteTopic', `${topic}-missing`)
  return {
    offsets,
    isListed,
    isGroupListed,
    emptied,
    deletedGroup,
    deletedAgain,
    deleted,
    isGone,
    missing,
  }
}

/** What a step gives, or the name of its error; undefined when the client has no such step. */
async function has(client, step, ...given) {
  if (client[step] === undefined) return undefined
  try {
    return (await client[step](...given)) ?? 'done'
  } catch (error) {
    return `failed: ${client.errorName(error)}`
  }
}

const placeOf = ({ partition, offset }) => `${partition}:${offset}`
const byPlace = (a, b) => a.partition - b.partition || a.offset - b.offset

/** The records of these consumers by their places; what came twice counts once. */
function distinct(...consumers) {
  return new Map(consumers.flatMap(({ records }) => records).map(each => [placeOf(each), each]))
}
