/* The messages that a producer sends, and the results. */

import { show } from '../../base/options.js'
import type { BytesIn, HeaderIn } from '../../model/batch/record.js'
import { PartlogError } from '../../model/errors.js'
import { checkPartition, checkTopicName } from '../../model/names.js'
import { NONE } from '../../model/units.js'

/**
 * Headers of a message: pairs in order, or an object of names and values. A list of values becomes
 * one header per element.
 */
export type HeadersIn =
  Iterable<HeaderIn> | { readonly [key: string]: BytesIn | readonly BytesIn[] | undefined }

/** A record to send. Its bytes are copied: they may be reused once `send` has returned. */
export interface Message {
  /** Decides the partition; records of one key keep their order. null or absent: no key. */
  readonly key?: BytesIn | undefined
  /** null is a tombstone. */
  readonly value: BytesIn
  readonly headers?: HeadersIn | undefined
  /** Milliseconds since 1970, −1 for none, or a Date. Default: the time of `send`. */
  readonly timestamp?: number | Date | undefined
  /** Overrides the partitioner. */
  readonly partition?: number | undefined
}

/** The partition, offset and timestamp of a record that was sent. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  /** −1 with `acks: 0`, when it is unknown. */
  readonly offset: number
  /** The record's timestamp: its own, or the broker's if the topic uses LogAppendTime. */
  readonly timestamp: number
}

const NO_HEADERS: readonly HeaderIn[] = []

/** Checks everything about a message that can be checked without knowing its topic. */
export function checkMessage(message: unknown, index: number): asserts message is Message {
  if (typeof message !== 'object' || message === null) {
    throw invalid(index, 'expected an object with a value', message)
  }
  const { key, value, timestamp, partition, headers } = message as Record<string, unknown>
  if (value !== null && typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw invalid(index, 'value: expected a string, a Uint8Array or null', value)
  }
  const hasKey = key !== undefined && key !== null
  if (hasKey && typeof key !== 'string' && !(key instanceof Uint8Array)) {
    throw invalid(index, 'key: expected a string, a Uint8Array or null', key)
  }
  if (timestamp !== undefined) checkTimestamp(timestamp, index)
  if (partition !== undefined) checkPartition(partition)
  if (headers !== undefined && (typeof headers !== 'object' || headers === null)) {
    throw invalid(index, 'headers: expected pairs or an object', headers)
  }
}

export function checkTopicMessages(topic: unknown, messages: unknown): void {
  checkTopicName(topic)
  if (Array.isArray(messages)) return
  throw new PartlogError('INVALID_ARGUMENT', `messages: expected an array, got ${show(messages)}`)
}

function checkTimestamp(timestamp: unknown, index: number): void {
  const ms = timestamp instanceof Date ? timestamp.getTime() : timestamp
  if (Number.isSafeInteger(ms) && (ms as number) >= 0) return
  if (timestamp === NONE) return
  throw new PartlogError(
    'INVALID_TIMESTAMP',
    `message ${index}: timestamp: expected milliseconds since 1970, −1 for none, or a Date, ` +
      `got ${show(timestamp)}`,
  )
}

/** The headers of a message as pairs. Own enumerable names only. */
export function headerPairs(headers: HeadersIn | undefined, index: number): readonly HeaderIn[] {
  if (headers === undefined) return NO_HEADERS
  const pairs: HeaderIn[] = []
  if (Symbol.iterator in headers) {
    for (const pair of headers as Iterable<HeaderIn>) pairs.push(checkHeader(pair, index))
    return pairs
  }
  for (const [key, value] of Object.entries(headers)) {
    if (value === undefined) continue // an optional header that is absent
    const values = Array.isArray(value) ? (value as readonly BytesIn[]) : [value as BytesIn]
    for (const each of values) pairs.push(checkHeader([key, each], index))
  }
  return pairs
}

function checkHeader(pair: unknown, index: number): HeaderIn {
  const [key, value] = Array.isArray(pair) ? (pair as unknown[]) : []
  if (typeof key !== 'string') throw invalid(index, 'headers: expected pairs [key, value]', pair)
  if (value === null || typeof value === 'string' || value instanceof Uint8Array) {
    return [key, value]
  }
  throw invalid(
    index,
    `header ${JSON.stringify(key)}: expected a string, a Uint8Array or null`,
    value,
  )
}

function invalid(index: number, sentence: string, got: unknown): PartlogError {
  return new PartlogError('INVALID_ARGUMENT', `message ${index}: ${sentence}, got ${show(got)}`)
}
