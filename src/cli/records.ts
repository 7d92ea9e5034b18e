/**
 * Records as lines of JSON, without loss:
 *
 *   {"partition":0,"offset":17,"timestamp":1700000000000,
 *    "key":"k","value":"v","headers":[["h","x"]]}        (on one line)
 *
 * Bytes that are valid UTF-8 stand as a string, all others as {"base64":"…"}; null is no key, a
 * tombstone, or a header without a value. The order of the fields is always the same, so equal
 * records give equal lines.
 */

import { isUtf8 } from 'node:buffer'
import type { Message } from '../client/messages.js'
import type { StoredTopicRecord } from '../log/partition-directory.js'
import type { BytesIn, HeaderIn } from '../model/record.js'

/** What Kafka stores for a record without a time. */
export const NO_TIME = -1

type JsonBytes = string | { readonly base64: string } | null

const FIELDS = ['partition', 'offset', 'timestamp', 'key', 'value', 'headers']

export function recordLine(record: StoredTopicRecord): string {
  const { partition, offset, timestamp, exactTimestamp, key, value, headers } = record
  const rest = JSON.stringify({
    key: jsonBytes(key),
    value: jsonBytes(value),
    headers: headers.map(header => [header.key, jsonBytes(header.value)]),
  })
  // Digits, where no number would do: JSON has no bound for them.
  const time = timestamp === NO_TIME ? null : (exactTimestamp ?? timestamp)
  return `{"partition":${partition},"offset":${offset},"timestamp":${time},${rest.slice(1)}`
}

/** Is this line one of an export, by the names of its fields? */
export function isRecordLine(parsed: unknown): boolean {
  if (typeof parsed !== 'object' || parsed === null) return false
  return Object.keys(parsed).join() === FIELDS.join()
}

/**
 * The message of an exported line. Throws with the reason when it is none: what only the producer
 * refused would be a message of many, and its line unknown.
 */
export function parseRecordLine(line: string): Message & { readonly partition: number } {
  const parsed: unknown = JSON.parse(line)
  if (!isRecordLine(parsed)) throw new Error(`expected the fields ${FIELDS.join(', ')}`)
  const { partition, timestamp, key, value, headers } = parsed as Record<string, unknown>
  if (!isCount(partition)) throw new Error('partition: expected a whole number')
  if (timestamp !== null && !isCount(timestamp)) {
    throw new Error('timestamp: expected milliseconds since 1970, or null')
  }
  if (!Array.isArray(headers)) throw new Error('headers: expected a list of pairs')
  return {
    partition,
    key: bytesOf(key, 'key'),
    value: bytesOf(value, 'value'),
    headers: headers.map(headerOf),
    ...(timestamp === null ? {} : { timestamp }),
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function headerOf(pair: unknown): HeaderIn {
  const [key, value] = Array.isArray(pair) ? (pair as unknown[]) : []
  if (typeof key !== 'string') throw new Error('headers: expected a list of pairs')
  return [key, bytesOf(value, `header ${key}`)]
}

function jsonBytes(bytes: Uint8Array | null): JsonBytes {
  if (bytes === null) return null
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer) ? buffer.toString('utf8') : { base64: buffer.toString('base64') }
}

function bytesOf(json: unknown, what: string): BytesIn {
  if (json === null || typeof json === 'string') return json
  const base64 = (json as { base64?: unknown } | undefined)?.base64
  const bytes = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : undefined
  // Node leaves out what is not of the alphabet: then these are not the bytes that were meant.
  if (bytes !== undefined && bytes.toString('base64') === base64) return bytes
  throw new Error(`${what}: expected a string, null or {"base64":…}`)
}
