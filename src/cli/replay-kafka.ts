/* `partlog replay TOPIC --to kafka://…`: copies records of a folder to a topic of a cluster. */

import type { Admin } from '../client/admin/admin-api.js'
import {
  carriedSettings,
  ensureCarried,
  IMPORTED,
  OF_ANY_TIME,
} from '../events/import/carried-topic.js'
import type { OpenTarget } from './copy/open-target.js'
import type { TargetOptions } from './copy/replay-target.js'
import { settingsOf, type SourceTopic } from './copy/source.js'
import { topicTarget } from './copy/topic-target.js'
import { connectTo, parseKafkaAddress, type KafkaOptions } from './kafka-address.js'
import type { Output } from './terminal/output.js'

export type KafkaTargetOptions = TargetOptions & KafkaOptions & { readonly to: string }

export async function openKafkaTarget(
  options: KafkaTargetOptions,
  source: SourceTopic,
  output: Output,
): Promise<OpenTarget> {
  const address = parseKafkaAddress('partlog replay: --to', options.to)
  const cluster = await connectTo(address, { command: 'replay', output }, options)
  try {
    const { topic } = address
    const partitions = await ensureTarget(cluster.admin, topic, options, source)
    const canKeep = partitions === source.count
    const placement = options.partitions ?? (canKeep ? 'keep' : 'by-key')
    const producer = { clientId: 'partlog-replay' }
    const notesKeep = options.partitions !== undefined // not worth a note if it is the default
    const target = { ...options, topic, partitions, placement, notesKeep, producer }
    return topicTarget(cluster, target, source, output)
  } catch (error) {
    await cluster.close().catch(() => undefined)
    throw error
  }
}

/** Creates the target topic if it does not exist; resolves with its number of partitions. */
async function ensureTarget(
  admin: Admin,
  topic: string,
  { dir, topic: sourceName }: KafkaTargetOptions,
  { count }: SourceTopic,
): Promise<number> {
  const settings = await settingsOf(dir, sourceName)
  const config =
    settings === undefined ? IMPORTED : { ...carriedSettings(settings), ...OF_ANY_TIME }
  return await ensureCarried(admin, { topic, partitions: count, config })
}
