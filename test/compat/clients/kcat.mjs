/** kcat: librdkafka on the command line. It makes topics by using them and has no admin. */

import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'

const FORMAT = '%p\\t%o\\t%k\\t%s\\t%h\\n'
const GROUP_SETTINGS = {
  'auto.offset.reset': 'earliest',
  'session.timeout.ms': 6_000,
  'heartbeat.interval.ms': 300,
  'fetch.wait.max.ms': 300,
}

export const name = 'kcat'
export const takesSockets = false

export function missing() {
  return spawnSync('kcat', ['-V']).error === undefined ? undefined : 'there is no kcat'
}

export const connect = ({ bootstrap }) =>
  new Kcat(['-b', bootstrap.join(','), '-X', 'client.id=app'])

class Kcat {
  #base

  constructor(base) {
    this.#base = base
  }

  /** One process per set of headers: kcat gives all records of one the same. */
  async produce(topic, messages) {
    if (messages.length === 0) return void (await this.#metadata(topic))
    for (const { key, value, headers } of messages) {
      const given = Object.entries(headers).flatMap(([name, it]) => ['-H', `${name}=${it}`])
      await this.#run(
        ['-P', '-t', topic, '-K', '|', '-X', 'partitioner=murmur2', ...given],
        `${key}|${value}`,
      )
    }
    return undefined
  }

  async describeTopic(topic) {
    const { topics } = await this.#metadata(topic)
    const [{ partitions }] = topics
    return { partitions: partitions.length, replicas: partitions[0]?.replicas.length }
  }

  async #metadata(topic) {
    return JSON.parse(await this.#run(['-L', '-J', ...(topic === undefined ? [] : ['-t', topic])]))
  }

  async listTopics() {
    const { topics } = await this.#metadata()
    return topics.map(({ topic }) => topic)
  }

  async offsets(topic) {
    const { partitions } = await this.describeTopic(topic)
    const at = async timestamp => {
      const places = Array.from({ length: partitions }, (_, n) => [
        '-t',
        `${topic}:${n}:${timestamp}`,
      ])
      const text = await this.#run(['-Q', ...places.flat()])
      const found = text.matchAll(/\[(\d+)\] offset (-?\d+)/g)
      return [...found].sort((a, b) => a[1] - b[1]).map(([, , offset]) => Number(offset))
    }
    return { earliest: await at(-2), latest: await at(-1), atTime: await at(1) }
  }

  async consumer(group, topic) {
    const settings = Object.entries(GROUP_SETTINGS).flatMap(([name, it]) => ['-X', `${name}=${it}`])
    const args = [...this.#base, '-u', ...settings, '-f', FORMAT, '-G', group, topic]
    const child = spawn('kcat', args)
    const ended = new Promise(resolve => child.once('close', resolve))
    const records = []
    let partitions = []
    createInterface({ input: child.stdout }).on('line', line => records.push(recordOf(line)))
    createInterface({ input: child.stderr }).on('line', line => {
      const [, news] = /rebalanced \(memberid .*\): (assigned: .*|revoked: .*)/.exec(line) ?? []
      if (news === undefined) return
      const isNow = news.startsWith('assigned')
      partitions = isNow ? [...news.matchAll(/\[(\d+)\]/g)].map(([, id]) => Number(id)) : []
    })
    return {
      records,
      partitions: () => partitions,
      async close() {
        child.kill('SIGINT')
        await ended
      },
    }
  }

  #run(args, input) {
    return new Promise((resolve, reject) => {
      const child = spawn('kcat', [...this.#base, ...args])
      let [output, errors] = ['', '']
      child.stdout.on('data', chunk => (output += chunk))
      child.stderr.on('data', chunk => (errors += chunk))
      child.on('close', code => (code === 0 ? resolve(output) : reject(new Error(errors))))
      child.stdin.end(input)
    })
  }

  errorName({ message }) {
    return message
  }

  async close() {}
}

function recordOf(line) {
  const [partition, offset, key, value, headers] = line.split('\t')
  return {
    partition: Number(partition),
    offset: Number(offset),
    key,
    value,
    headers: Object.fromEntries(headers.split(',').map(each => each.split('='))),
  }
}
