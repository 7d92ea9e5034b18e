/*
 * Chooses the partition of a record, in this order:
 *
 *   its own `partition`  →  the partitioner of the application  →  murmur2 of its key as Kafka's
 *   Java client computes it  →  without a key, round-robin
 *
 * Every producer sends a key to the same partition, while the number of partitions stays the same.
 */

import { murmur2 } from '../../model/hashes.js'
import type { Message } from './messages.js'

/** The input of a partitioner. */
export interface PartitionerInput {
  readonly topic: string
  readonly message: Message
  readonly partitionCount: number
}

/** Chooses a partition in [0, partitionCount). Called once for each message that names none. */
export type PartitionerFunction = (input: PartitionerInput) => number

export class Partitioner {
  /** The next partition for records without a key, by topic. */
  readonly #turns = new Map<string, number>()

  /** The partition of the next message; without a key, `took` then moves on to the next one. */
  peek(topic: string, key: string | Uint8Array | null, partitionCount: number): number {
    if (partitionCount === 1) return 0
    const turn = key === null ? (this.#turns.get(topic) ?? 0) : hashOf(key)
    return (turn & 0x7fffffff) % partitionCount
  }

  /** A message without a key went to the partition that `peek` gave. */
  took(topic: string): void {
    this.#turns.set(topic, ((this.#turns.get(topic) ?? 0) + 1) | 0)
  }

  /** The partition of each message; undefined if the topic has only one. */
  chooseAll(
    topic: string,
    messages: readonly Message[],
    partitionCount: number,
  ): number[] | undefined {
    if (partitionCount === 1) return undefined
    const partitions = new Array<number>(messages.length)
    let turn = this.#turns.get(topic) ?? 0
    for (let index = 0; index < messages.length; index++) {
      const { key, partition } = messages[index] as Message
      if (partition !== undefined) partitions[index] = partition
      else if (key === undefined || key === null) {
        partitions[index] = (turn & 0x7fffffff) % partitionCount
        turn = (turn + 1) | 0
      } else partitions[index] = (hashOf(key) & 0x7fffffff) % partitionCount
    }
    this.#turns.set(topic, turn)
    return partitions
  }

  /** The topic is no longer in use; if it comes back, its turns begin anew. */
  forget(topic: string): void {
    this.#turns.delete(topic)
  }
}

/** Keys up to this length are hashed without making a buffer for them. */
const scratch = new Uint8Array(256)

function hashOf(key: string | Uint8Array): number {
  if (typeof key !== 'string') return murmur2(key)
  const length = copyAscii(key)
  return murmur2(length < 0 ? Buffer.from(key) : scratch, length < 0 ? undefined : length)
}

/** Copies an ASCII string into the scratch bytes; −1 when it is not one or too long. */
function copyAscii(text: string): number {
  const { length } = text
  if (length > scratch.length) return -1
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code >= 0x80) return -1
    scratch[index] = code
  }
  return length
}
