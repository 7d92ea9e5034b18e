/** `partlog serve`: a cluster for Kafka clients of any kind, until it is told to end. */

import { integer, text, type OptionType } from '../base/options.js'
import { Cluster } from '../cluster/cluster.js'
import { isPartlogError } from '../model/errors.js'
import { ports } from '../wire/tcp-server.js'
import { DIR_OPTION, JSON_OPTION } from './command-options.js'
import { command, optionalValue, repeatable, toggle, valued } from './command.js'
import { faultsTold, openToWrite } from './copy/waits.js'
import { closing } from './terminal/ending.js'
import { told, type Output } from './terminal/output.js'
import { UsageError } from './terminal/usage-error.js'

interface WantedTopic {
  readonly topic: string
  readonly partitions: number
}

const PARTITIONS_MAX = 10_000

/** `0,1,2`. */
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

/** `orders:6,payments`: names with numbers of partitions. */
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
  summary: 'Lets Kafka clients come in by TCP, until SIGINT or SIGTERM.',
  words: [],
  options: {
    dir: DIR_OPTION,
    memory: toggle('nothing is kept: a cluster in memory'),
    brokers: optionalValue(integer(1, 64), 'N', 'simulated brokers (default: as the folder has)'),
    'broker-ids': optionalValue(idList, 'ID,…', 'or which, like 0,1,2 (default: from 1)'),
    port: valued(ports, [9_092], 'PORT', 'of broker 1, the others follow, or of each: 9092,9095'),
    host: valued(text, '127.0.0.1', 'HOST', 'to listen on; others than this machine get in!'),
    topic: repeatable(topicList, 'NAME:N,…', 'topics to make if they are not there'),
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
      : await openToWrite({ dir, ...size }, output, faultsTold(output))
    return await closing(cluster, async () => {
      for (const each of options.topic.flat()) await makeIfMissing(cluster, each)
      const { bootstrap } = await cluster.listen({ port, host })
      await tell(bootstrap, options.json, output)
      output.note(`${cluster.location} is served; Ctrl-C ends it`)
      output.note(`${await told('SIGINT', 'SIGTERM', 'SIGHUP')}: closing`)
      return 0
    })
  },
})

async function makeIfMissing(cluster: Cluster, { topic, partitions }: WantedTopic): Promise<void> {
  try {
    await cluster.admin.createTopic({ topic, partitions })
  } catch (error) {
    if (!isPartlogError(error, 'TOPIC_ALREADY_EXISTS')) throw error
  }
}

/** The addresses, so that a script can read them. */
async function tell(bootstrap: readonly string[], json: boolean, output: Output): Promise<void> {
  if (json) await output.json({ bootstrap })
  else await output.line(bootstrap.join(','))
}
