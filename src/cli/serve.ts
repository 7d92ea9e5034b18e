/* `partlog serve`: runs a cluster that any Kafka client can connect to, until a signal ends it. */

import { integer, text, type OptionType } from '../base/options.js'
import { Cluster } from '../cluster/cluster.js'
import { isPartlogError } from '../model/errors.js'
import { ports } from '../wire/tcp-server.js'
import { DIR_OPTION, JSON_OPTION } from './command-options.js'
import { command, optionalValue, repeatable, toggle, valued } from './command.js'
import { faultNotes, openToWrite } from './copy/waits.js'
import { closing } from './terminal/ending.js'
import { firstSignal, type Output } from './terminal/output.js'
import { UsageError } from './terminal/usage-error.js'

interface WantedTopic {
  readonly topic: string
  readonly partitions: number
}

const PARTITIONS_MAX = 10_000

/** Broker ids like `0,1,2`. */
const idList: OptionType<readonly number[]> = {
  expected: 'broker ids from 0, each once, like 0,1,2',
  parse: () => undefined,
  parseText(given) {
    const ids = given.split(',')
    if (!ids.every(id => /^\d{1,9}$/.test(id))) return undefined
    const numbers = ids.map(Number)
    return new Set(numbers).size === numbers.length ? numbers : undefined
  },
}

/** Topics like `orders:6,payments`: names with numbers of partitions, 1 by default. */
const topicList: OptionType<readonly WantedTopic[]> = {
  expected: 'names with numbers of partitions, like orders:6,payments:3',
  parse: () => undefined,
  parseText(given) {
    const topics = given.split(',').map(each => /^([a-zA-Z0-9._-]+)(?::(\d{1,5}))?$/.exec(each))
    const wanted = topics.map(match => ({ topic: match?.[1], partitions: Number(match?.[2] ?? 1) }))
    const isFine = ({ topic, partitions }: (typeof wanted)[number]): boolean =>
      topic !== undefined && partitions >= 1 && partitions <= PARTITIONS_MAX
    return wanted.every(isFine) ? (wanted as WantedTopic[]) : undefined
  },
}

export const serveCommand = command({
  name: 'serve',
  summary: 'Serves Kafka clients over TCP, until SIGINT or SIGTERM.',
  args: [],
  options: {
    dir: DIR_OPTION,
    memory: toggle('keep the cluster in memory only: its records are gone when it ends'),
    brokers: optionalValue(
      integer(1, 64),
      'N',
      'number of simulated brokers (default: as in the folder; a new folder: 1)',
    ),
    'broker-ids': optionalValue(idList, 'ID,…', 'ids of the brokers, like 0,1,2 (default: from 1)'),
    port: valued(
      ports,
      [9_092],
      'PORT',
      'port of the first broker, the next ports follow (default 9092); or one each: 9092,9095',
    ),
    host: valued(
      text,
      '127.0.0.1',
      'HOST',
      'address to listen on (default 127.0.0.1); others let other machines in, without a password',
    ),
    topic: repeatable(topicList, 'NAME:N,…', 'create these topics if they do not exist'),
    json: JSON_OPTION,
  },
  examples: [
    'partlog serve --dir ./data --topic orders:6',
    'partlog serve --memory --brokers 3 --port 0 --json',
    'partlog serve --memory --broker-ids 0,1,2 --port 9092,9095,9098',
  ],
  run: async ({ options, output, given }) => {
    const { dir, brokers: count, 'broker-ids': ids, memory, port, host } = options
    if (memory && given.has('dir')) {
      throw new UsageError('partlog serve: expected --dir or --memory, not both')
    }
    if (count !== undefined && ids !== undefined) {
      throw new UsageError('partlog serve: expected --brokers or --broker-ids, not both')
    }
    const brokers = ids?.map(id => ({ id })) ?? count
    const size = brokers === undefined ? {} : { brokers }
    const cluster = memory
      ? await Cluster.memory(size)
      : await openToWrite({ dir, ...size }, output, faultNotes(output))
    return await closing(cluster, async () => {
      for (const each of options.topic.flat()) await createIfMissing(cluster, each)
      const { bootstrap } = await cluster.listen({ port, host })
      await printAddresses(bootstrap, options.json, output)
      output.note(`serving ${cluster.location}; Ctrl-C ends it`)
      output.note(`${await firstSignal('SIGINT', 'SIGTERM', 'SIGHUP')}: closing`)
      return 0
    })
  },
})

async function createIfMissing(
  cluster: Cluster,
  { topic, partitions }: WantedTopic,
): Promise<void> {
  try {
    await cluster.admin.createTopic({ topic, partitions })
  } catch (error) {
    if (!isPartlogError(error, 'TOPIC_ALREADY_EXISTS')) throw error
  }
}

/** Writes the addresses to standard output, where a script can read them. */
async function printAddresses(
  bootstrap: readonly string[],
  json: boolean,
  output: Output,
): Promise<void> {
  if (json) await output.json({ bootstrap })
  else await output.line(bootstrap.join(','))
}
