/** kafkajs 2.2.4. */

import kafkajs from 'kafkajs'

const { Kafka, logLevel, Partitioners } = kafkajs

export const name = 'kafkajs'
export const takesSockets = true
export const missing = () => undefined

export function connect({ bootstrap, socketFactory }) {
  const kafka = new Kafka({
    clientId: 'app',
    brokers: bootstrap,
    ...(socketFactory === undefined ? {} : { socketFactory }),
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 20 },
  })
  return new KafkaJs(kafka)
}

class KafkaJs {
  #kafka
  #admin

  constructor(kafka) {
    this.#kafka = kafka
  }

  async #asked() {
    if (this.#admin !== undefined) return this.#admin
    this.#admin = this.#kafka.admin({ retry: { retries: 2 } })
    await this.#admin.connect()
    return this.#admin
  }

  /** kafkajs answers `false` for a topic that is there already. */
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
    const { topics } = await (await this.#asked()).fetchTopicMetadata({ topics: [topic] })
    const [{ partitions }] = topics
    return { partitions: partitions.length, replicas: partitions[0].replicas.length }
  }

  async produce(topic, messages) {
    const createPartitioner = Partitioners.DefaultPartitioner
    const producer = this.#kafka.producer({ createPartitioner, idempotent: true })
    await producer.connect()
    const places = await producer.send({ topic, messages })
    await producer.disconnect()
    return places.map(({ partition, baseOffset }) => ({ partition, offset: baseOffset }))
  }

  async consumer(groupId, topic) {
    const settings = { sessionTimeout: 6_000, heartbeatInterval: 300, maxWaitTimeInMs: 300 }
    const client = this.#kafka.consumer({ groupId, ...settings })
    const records = []
    let partitions = []
    client.on(client.events.GROUP_JOIN, ({ payload }) => {
      partitions = payload.memberAssignment[topic] ?? []
    })
    await client.connect()
    await client.subscribe({ topic, fromBeginning: true })
    await client.run({
      eachMessage: async ({ partition, message }) => {
        records.push(recordOf(partition, message))
      },
    })
    return { records, partitions: () => partitions, close: () => client.disconnect() }
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
    const [{ state, protocolType, protocol, members }] = groups
    return { state, protocolType, protocol, memberCount: members.length }
  }

  async listGroups() {
    const { groups } = await (await this.#asked()).listGroups()
    return groups.map(({ groupId }) => groupId)
  }

  async deleteGroup(groupId) {
    await (await this.#asked()).deleteGroups([groupId])
  }

  errorName({ type, name, groups, errors }) {
    const [inner] = groups?.map(({ error }) => error) ?? errors ?? []
    return inner?.type ?? type ?? name
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
