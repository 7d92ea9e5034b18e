/**
 * Where a session runs: partlog with three brokers, by TCP or without a port, and a real broker.
 * Both have four partitions for topics that are made when they are first used.
 */

import { startBroker } from './kafka/broker.mjs'
import { missingKafka } from './kafka/jars.mjs'
import { Cluster } from './partlog.mjs'
import { waitFor } from './wait.mjs'

export const PARTITIONS = 4
/** Set by run.mjs, which starts one broker for all files. */
const { COMPAT_KAFKA: RUNNING, COMPAT_NO_KAFKA: NONE } = process.env

/** Settings of a broker so that sessions are short and alike. */
export const BROKER_SETTINGS = { 'num.partitions': PARTITIONS }

/** Why there is no real broker; undefined when there is one. */
export function missingBroker() {
  if (RUNNING !== undefined) return undefined
  return NONE ?? missingKafka()
}

export async function kafkaTarget() {
  if (RUNNING !== undefined) return { bootstrap: [RUNNING], replicas: 1, close: async () => {} }
  const broker = await startBroker({ settings: BROKER_SETTINGS })
  return { bootstrap: [broker.address], replicas: 1, close: () => broker.stop() }
}

export async function partlogTarget({ isPortless = false } = {}) {
  const cluster = await Cluster.memory({ brokers: 3, defaultPartitions: PARTITIONS })
  const { bootstrap } = isPortless ? cluster : await cluster.listen({ port: 0 })
  let killed
  return {
    bootstrap,
    ...(isPortless ? { socketFactory: cluster.socketFactory } : {}),
    replicas: 3,
    close: () => cluster.close(),
    /**
     * The leader of some partitions, the one clients ask first: others take over. Not the
     * coordinator of `spared`, a group, if one is named.
     */
    async kill(topic, spared) {
      const leaders = () => {
        const found = cluster.describe().topics.find(each => each.topic === topic)
        return found.partitions.map(({ leader }) => leader)
      }
      const { coordinator } = spared === undefined ? {} : await cluster.admin.describeGroups([spared]).then(([group]) => group)
      killed = cluster.broker(
        leaders()
          .sort()
          .find(id => id !== coordinator),
      )
      await killed.kill()
      await waitFor('new leaders', () => leaders().every(id => id > 0 && id !== killed.id))
    },
    restart: () => killed.start(),
  }
}
