/* The topic that events are imported into: made when the first messages are ready. */

import type { KafkaCluster } from '../../client/kafka-cluster.js'
import type { Message } from '../../client/producer/messages.js'
import { BATCH_HEADER_BYTES } from '../../model/batch/batch.js'
import { isPartlogError } from '../../model/errors.js'
import { BadOption } from '../formats/formats.js'
import { IMPORTED } from './carried-topic.js'
import type { TargetFor } from './import-run.js'

const PRODUCER_BYTES_MAX = 1_048_576

/** Creates the topic if it does not exist, for records of any time. */
export async function ensureTopic(
  { admin }: Pick<KafkaCluster, 'admin'>,
  topic: string,
  partitions: number | undefined,
): Promise<{ readonly isNew: boolean; readonly partitions: number }> {
  const count = partitions === undefined ? {} : { partitions }
  let isNew = true
  try {
    await admin.createTopic({ topic, config: IMPORTED, ...count })
  } catch (error) {
    if (!isPartlogError(error, 'TOPIC_ALREADY_EXISTS')) throw error
    isNew = false
  }
  return { isNew, partitions: (await admin.describeTopic(topic)).partitions.length }
}

/**
 * Creates the topic when the first messages are ready to send. Without a wanted number of
 * partitions a topic created here grows to the highest partition that a record names, so that each
 * returns to its partition.
 */
export function topicFor(
  cluster: KafkaCluster,
  topic: string,
  wanted: number | undefined,
): TargetFor {
  let ready: { readonly isNew: boolean; partitions: number } | undefined
  let recordBytesMax = 0
  const producer = cluster.producer({ maxRequestSize: PRODUCER_BYTES_MAX })
  return async messages => {
    if (ready === undefined) {
      ready = await ensureTopic(cluster, topic, wanted)
      if (wanted !== undefined && ready.partitions !== wanted) {
        throw new BadOption(
          'partitions',
          `expected ${ready.partitions}, the number of partitions of the existing topic ` +
            `${topic}, got "${wanted}"`,
        )
      }
      recordBytesMax = await recordBytesOf(cluster, topic)
    }
    const needed = partitionsNeeded(messages)
    if (needed > ready.partitions && ready.isNew && wanted === undefined) {
      await cluster.admin.createPartitions({ topic, partitions: needed })
      ready.partitions = needed
    }
    return { producer, partitions: ready.partitions, recordBytesMax }
  }
}

function partitionsNeeded(messages: readonly Message[]): number {
  let most = 0
  for (const { partition = 0 } of messages) if (partition >= most) most = partition + 1
  return most
}

/** The largest record: a batch of one record must fit the limits of the topic and of a request. */
async function recordBytesOf(
  { admin }: Pick<KafkaCluster, 'admin'>,
  topic: string,
): Promise<number> {
  const settings = await admin.describeConfig(topic)
  const setting = settings.find(({ name }) => name === 'max.message.bytes')
  const most = Number(setting?.value ?? PRODUCER_BYTES_MAX)
  return Math.min(most, PRODUCER_BYTES_MAX) - BATCH_HEADER_BYTES
}
