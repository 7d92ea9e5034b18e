/**
 * @confluentinc/kafka-javascript: Node on librdkafka, with kafkajs' words. It has to be compiled:
 * `npm run native` in this folder.
 */

import { createRequire } from 'node:module'

const require = createRequire(new URL('../native/package.json', import.meta.url))

export const name = '@confluentinc/kafka-javascript'
export const takesSockets = false

export function missing() {
  try {
    require('@confluentinc/kafka-javascript')
    return undefined
  } catch {
    return 'not installed: npm --prefix test/compat run native'
  }
}

export function connect({ bootstrap }) {
  const { KafkaJS } = require('@confluentinc/kafka-javascript')
  const { Kafka, logLevel } = KafkaJS
  const settings = { clientId: 'app', brokers: bootstrap, logLevel: logLevel.NOTHING }
  return new ConfluentNode(new Kafka({ kafkaJS: settings }), KafkaJS.ErrorCodes)
}

const nameOfCode = (codes, code) => Object.keys(codes).find(each => codes[each] === code)

class ConfluentNode {
  #kafka
  #codes
  #admin

  constructor(kafka, codes) {
    this.#kafka = kafka
    this.#codes = codes
  }

  async #asked() {
    if (this.#admin !== undefined) return this.#admin
    this.#admin = this.#kafka.admin()
    await this.#admin.connect()
    return this.#admin
  }

  async createTopic(topic, numPartitions, replicationFactor) {
    const admin = await this.#asked()
    return admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor }] })
  }

  async deleteTopic(topic) {
    await (await this.#asked()).deleteTopics({ topics: [topic] })
  }

  async listTopics() {
    return (await this.#asked()).listTopics()
  }

  async describeTopic(topic) {
    const [{ partitions }] = await (await this.#asked()).fetchTopicMetadata({ topics: [topic] })
    return { partitions: partitions.length, replicas: partitions[0].replicas.length }
  }

  async produce(topic, messages) {
    const producer = this.#kafka.producer({ kafkaJS: { idempotent: true } })
    await producer.connect()
    const places = await producer.send({ topic, messages })
    await producer.disconnect()
    return places.map(({ partition, baseOffset }) => ({ partition, offset: baseOffset }))
  }

  async consumer(groupId, topic) {
    const settings = { sessionTimeout: 6_000, heartbeatInterval: 300, maxWaitTimeInMs: 300 }
    const client = this.#kafka.consumer({ kafkaJS: { groupId, fromBeginning: true, ...settings } })
    const records = []
    await client.connect()
    await client.subscribe({ topic })
    await client.run({
      eachMessage: async ({ partition, message }) => {
        records.push(recordOf(partition, message))
      },
    })
    return {
      records,
      partitions: () => client.assignment().map(each => each.partition),
      close: () => client.disconnect(),
    }
  }

  async committed(groupId, topic) {
    const admin = await this.#asked()
    const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return inOrder(partitions).map(({ offset }) => Number(offset))
  }

  async offsets(topic) {
    const admin = await this.#asked()
    const ends = inOrder(await admin.fetchTopicOffsets(topic))
    const atTime = inOrder(await admin.fetchTopicOffsetsByTimestamp(topic, 1))
    return {
      earliest: ends.map(({ low }) => Number(low)),
      latest: ends.map(({ high }) => Number(high)),
      atTime: atTime.map(({ offset }) => Number(offset)),
    }
  }

  async describeGroup(groupId) {
    const { groups } = await (await this.#asked()).describeGroups([groupId])
    const [{ state, protocol, members }] = groups
    return { state, protocol, memberCount: members.length }
  }

  async listGroups() {
    const { groups } = await (await this.#asked()).listGroups()
    return groups.map(({ groupId }) => groupId)
  }

  async deleteGroup(groupId) {
    await (await this.#asked()).deleteGroups([groupId])
  }

  errorName({ code, name, groups }) {
    return nameOfCode(this.#codes, groups?.[0]?.error?.code ?? code) ?? name
  }

  async close() {
    await this.#admin?.disconnect()
  }
}

const inOrder = partitions => [...partitions].sort((a, b) => a.partition - b.partition)

function recordOf(partition, { offset, key, value, headers }) {
  return {
    partition,
    offset: Number(offset),
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    headers: Object.fromEntries(Object.entries(headers).map(([name, it]) => [name, String(it)])),
  }
}
