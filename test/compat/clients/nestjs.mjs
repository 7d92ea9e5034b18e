/**
 * NestJS' Kafka transport, on kafkajs: a service that handles events of a topic, a client that
 * emits them, and one that asks and is answered.
 */

import 'reflect-metadata'
import { Controller, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import {
  ClientKafka,
  Ctx,
  EventPattern,
  MessagePattern,
  Payload,
  ServerKafka,
} from '@nestjs/microservices'
import kafkajs from 'kafkajs'
import { firstValueFrom } from 'rxjs'

const CONSUMER = { sessionTimeout: 6_000, heartbeatInterval: 300, maxWaitTimeInMs: 300 }

export const name = 'NestJS'
export const takesSockets = true
export const missing = () => undefined

export function connect({ bootstrap, socketFactory }) {
  return new Nest({
    clientId: 'app',
    brokers: bootstrap,
    ...(socketFactory === undefined ? {} : { socketFactory }),
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 20 },
  })
}

/** Nest's own, but that it tells which partitions it has. */
class Server extends ServerKafka {
  shares = new Map()

  registerConsumerEventListeners() {
    super.registerConsumerEventListeners()
    this.consumer.on(this.consumer.events.GROUP_JOIN, ({ payload }) => {
      this.shares = new Map(Object.entries(payload.memberAssignment))
    })
  }
}

class Nest {
  #client

  constructor(client) {
    this.#client = client
  }

  async produce(topic, messages) {
    const client = new ClientKafka({ client: this.#client, producerOnlyMode: true })
    await client.connect()
    const places = []
    for (const each of messages) places.push(...(await firstValueFrom(client.emit(topic, each))))
    await client.close()
    return places.map(({ partition, baseOffset }) => ({ partition, offset: baseOffset }))
  }

  async consumer(groupId, topic) {
    const records = []
    const { app, share } = await this.#service(EventPattern(topic), groupId, (_value, context) => {
      records.push(recordOf(context))
    })
    return { records, partitions: () => share(topic), close: () => app.close() }
  }

  /** A question by one topic, its answer by another. */
  async ask(topic) {
    // Kafka makes a topic some time after its first use: kafkajs' consumers do not wait for it.
    for (const each of [topic, `${topic}.reply`]) await this.produce(each, [{ value: 'first' }])
    const { app } = await this.#service(MessagePattern(topic), `${topic}-desk`, question => ({
      answerTo: question,
    }))
    const consumer = { groupId: `${topic}-guest`, ...CONSUMER }
    const guest = new ClientKafka({ client: this.#client, consumer })
    guest.subscribeToResponseOf(topic)
    await guest.connect()
    const answer = await firstValueFrom(guest.send(topic, { key: 'k', value: { is: 'it open?' } }))
    await guest.close()
    await app.close()
    return answer
  }

  /** A service whose one handler has this pattern. */
  async #service(pattern, groupId, handle) {
    class Handler {
      handle(value, context) {
        return handle(value, context)
      }
    }
    const place = [Handler.prototype, 'handle']
    pattern(...place, Object.getOwnPropertyDescriptor(...place))
    Payload()(...place, 0)
    Ctx()(...place, 1)
    Controller()(Handler)
    class Service {}
    Module({ controllers: [Handler] })(Service)
    const strategy = new Server({
      client: this.#client,
      consumer: { groupId, ...CONSUMER },
      subscribe: { fromBeginning: true },
    })
    const app = await NestFactory.createMicroservice(Service, { strategy, logger: false })
    await app.listen()
    return { app, share: topic => strategy.shares.get(topic) ?? [] }
  }

  errorName({ type, name }) {
    return type ?? name
  }

  async close() {}
}

function recordOf(context) {
  const { offset, key, value, headers } = context.getMessage()
  return {
    partition: context.getPartition(),
    offset: Number(offset),
    key,
    value,
    headers,
  }
}
