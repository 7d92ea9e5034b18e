/** @platformatic/kafka 1.35.0, the last one for Node 20. By TCP only. */

import {
  Admin,
  Consumer,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'

export const name = '@platformatic/kafka'
export const takesSockets = false
export const missing = () => undefined

export function connect({ bootstrap }) {
  return new Platformatic({
    clientId: 'app',
    bootstrapBrokers: bootstrap,
    retries: 20,
    retryDelay: 100,
  })
}

const FAILURES_MAX = 20

class Platformatic {
  /** It looks for a dead coordinator in metadata that does not name it: a TypeError. */
  canLoseCoordinator = false
  #options
  #admin

  constructor(options) {
    this.#options = options
    this.#admin = new Admin({ ...options, retries: 2 })
  }

  async createTopic(topic, partitions, replicas) {
    const [created] = await this.#admin.createTopics({ topics: [topic], partitions, replicas })
    return { partitions: created.partitions }
  }

  async deleteTopic(topic) {
    await this.#admin.deleteTopics({ topics: [topic] })
  }

  listTopics() {
    return this.#admin.listTopics()
  }

  async describeTopic(topic) {
    const { topics } = await this.#admin.metadata({ topics: [topic], forceUpdate: true })
    const { partitions } = topics.get(topic)
    return { partitions: partitions.length, replicas: partitions[0].replicas.length }
  }

  async produce(topic, messages) {
    const producer = new Producer({
      ...this.#options,
      serializers: stringSerializers,
      idempotent: true,
    })
    const sent = messages.map(each => ({ topic, ...each }))
    const { offsets } = await producer.send({ messages: sent })
    await producer.close()
    return offsets.map(({ partition, offset }) => ({ partition, offset: Number(offset) }))
  }

  async consumer(groupId, topic) {
    const consumer = new Consumer({
      ...this.#options,
      groupId,
      deserializers: stringDeserializers,
      sessionTimeout: 6_000,
      heartbeatInterval: 300,
      maxWaitTime: 300,
    })
    const reader = new Reader(consumer, topic)
    await reader.open()
    return reader
  }

  async committed(group, topic) {
    const [{ topics }] = await this.#admin.listConsumerGroupOffsets({ groups: [group] })
    const { partitions } = topics.find(each => each.name === topic)
    return inOrder(partitions).map(({ committedOffset }) => Number(committedOffset))
  }

  async offsets(topic) {
    const { partitions } = await this.describeTopic(topic)
    const at = async timestamp => {
      const asked = Array.from({ length: partitions }, (_, partitionIndex) => ({
        partitionIndex,
        timestamp,
      }))
      const topics = [{ name: topic, partitions: asked }]
      const [found] = await this.#admin.listOffsets({ topics })
      return inOrder(found.partitions).map(({ offset }) => Number(offset))
    }
    return { earliest: await at(-2n), latest: await at(-1n), atTime: await at(1n) }
  }

  async describeGroup(group) {
    const groups = await this.#admin.describeGroups({ groups: [group] })
    const { state, protocolType, protocol, members } = groups.get(group)
    return { state, protocolType, protocol, memberCount: members.size }
  }

  async listGroups() {
    return [...(await this.#admin.listGroups()).keys()]
  }

  async deleteGroup(group) {
    await this.#admin.deleteGroups({ groups: [group] })
  }

  errorName(error) {
    const [inner] = error.errors ?? []
    return error.apiId ?? inner?.apiId ?? this.#inner(inner) ?? error.code ?? error.message
  }

  #inner(error) {
    return error?.errors?.length > 0 ? this.errorName(error) : undefined
  }

  async close() {
    await this.#admin.close()
  }
}

/**
 * When the leader of a partition dies, the stream of its records fails as soon as the metadata has
 * no such broker any more: a reader has to begin again.
 */
class Reader {
  #consumer
  #topic
  #stream
  #failures = 0
  #failure
  records = []

  constructor(consumer, topic) {
    this.#consumer = consumer
    this.#topic = topic
  }

  async open() {
    this.#stream = await this.#consumer.consume({
      topics: [this.#topic],
      mode: 'committed',
      fallbackMode: 'earliest',
      autocommit: true,
    })
    this.#stream.on('data', message => this.records.push(recordOf(message)))
    this.#stream.on('error', error => {
      if (++this.#failures > FAILURES_MAX) this.#failure = error
      else this.open().catch(cause => (this.#failure = cause))
    })
  }

  failure() {
    return this.#failure
  }

  partitions() {
    const found = this.#consumer.assignments?.find(({ topic }) => topic === this.#topic)
    return found?.partitions ?? []
  }

  async close() {
    await this.#stream.close()
    await this.#consumer.close()
  }
}

const inOrder = partitions => [...partitions].sort((a, b) => a.partitionIndex - b.partitionIndex)

function recordOf({ partition, offset, key, value, headers }) {
  return {
    partition,
    offset: Number(offset),
    key: key ?? null,
    value: value ?? null,
    headers: Object.fromEntries(headers),
  }
}
