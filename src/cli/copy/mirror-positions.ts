/*
 * How far mirrors have copied, stored in the target folder: a compacted topic with one record per
 * mirrored partition. Each says up to which offset the source was read when the copy ended at
 * another offset:
 *
 *   orders-0 → {"source":{"topic":"orders","topicId":"…","offset":1207},
 *               "target":{"topicId":"…","offset":1200}}
 *
 * A position is written after the records before it, so after a crash it may be too low, never too
 * high. The records of the copy from `target.offset` on are then the next records of the source
 * from `source.offset` on: they are counted, not written again. (The committed offsets of a group
 * would do as well, but they expire after a week.)
 */

import type { Producer } from '../../client/producer/producer-api.js'
import { Cluster } from '../../cluster/cluster.js'
import { PLACES_SETTINGS } from '../../events/import/carried-topic.js'
import { isPartlogError, PartlogError } from '../../model/errors.js'
import { partitionKey } from '../../model/names.js'

export const POSITIONS_TOPIC = '__mirror_positions'

export interface MirrorPosition {
  readonly source: { readonly topic: string; readonly topicId: string; readonly offset: number }
  readonly target: { readonly topicId: string; readonly offset: number }
}

export class MirrorPositions {
  readonly #known = new Map<string, MirrorPosition>()
  readonly #producer: Producer

  private constructor(producer: Producer) {
    this.#producer = producer
  }

  /** Reads the positions of a folder; creates their topic if it does not exist. */
  static async read(cluster: Cluster): Promise<MirrorPositions> {
    try {
      const topic = { topic: POSITIONS_TOPIC, partitions: 1, config: PLACES_SETTINGS }
      await cluster.admin.createTopic(topic)
    } catch (error) {
      if (!isPartlogError(error, 'TOPIC_ALREADY_EXISTS')) throw error
    }
    const positions = new MirrorPositions(cluster.producer())
    await positions.#readAll(cluster)
    return positions
  }

  of(topic: string, partition: number): MirrorPosition | undefined {
    return this.#known.get(partitionKey(topic, partition))
  }

  /** Stores positions; resolves when they are durable. */
  async write(topic: string, positions: ReadonlyMap<number, MirrorPosition>): Promise<void> {
    if (positions.size === 0) return
    const messages = [...positions].map(([partition, position]) => ({
      key: partitionKey(topic, partition),
      value: JSON.stringify(position),
      partition: 0,
    }))
    await this.#producer.send({ topic: POSITIONS_TOPIC, messages })
    for (const [partition, position] of positions) {
      this.#known.set(partitionKey(topic, partition), position)
    }
  }

  async #readAll(cluster: Cluster): Promise<void> {
    await using consumer = cluster.consumer({
      autoOffsetReset: 'earliest',
      keyDeserializer: 'string',
      valueDeserializer: 'string',
    })
    const only = { topic: POSITIONS_TOPIC, partition: 0 }
    await consumer.assign([only])
    const [end] = await consumer.endOffsets([only])
    while ((await consumer.position(only)) < (end?.offset ?? 0)) {
      for (const { key, value, offset } of await consumer.poll()) {
        this.#known.set(key ?? '', parsePosition(value ?? '', offset))
      }
    }
  }
}

function parsePosition(text: string, offset: number): MirrorPosition {
  try {
    const { source, target } = JSON.parse(text) as MirrorPosition
    const isFine =
      [source.topic, source.topicId, target.topicId].every(each => typeof each === 'string') &&
      [source.offset, target.offset].every(each => Number.isSafeInteger(each) && each >= 0)
    if (isFine) return { source, target }
  } catch {
    // reported below
  }
  const sentence = `${POSITIONS_TOPIC}: the record at offset ${offset} is not a mirror position`
  throw new PartlogError('CORRUPT_LOG', sentence)
}
