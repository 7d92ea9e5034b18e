/*
 * Records as lines of JSON, without loss:
 *
 *   {"partition":0,"offset":17,"timestamp":1700000000000,
 *    "key":"k","value":"v","headers":[["h","x"]]}        (on one line)
 *
 * Valid UTF-8 is written as a string, any other bytes as {"base64":"…"}; null means no key, a
 * tombstone, a header without a value, or no time. Fields are written in a fixed order, so equal
 * records give equal lines. They are read in any order, and further fields are ignored.
 */

import { isUtf8 } from 'node:buffer'
import type { Message } from '../../client/producer/messages.js'
import type { StoredTopicRecord } from '../../log/inspection/stored-row.js'
import type { BytesIn, HeaderIn } from '../../model/batch/record.js'
import { plainJson } from '../text/plain.js'
import { hasLoneSurrogate } from '../text/json-token.js'

/** What Kafka stores for a record without a time. */
export const NO_TIME = -1

type JsonBytes = string | { readonly base64: string } | null

/** The fields of every exported line. */
const FIELDS = ['partition', 'offset', 'timestamp', 'key', 'value', 'headers']
/** A line without these is not a record; `offset` and `headers` may be missing. */
const NEEDED = ['partition', 'timestamp', 'key', 'value']

/** The key, the value and the headers of a record, as JSON can hold them. */
export function recordFields({
  key,
  value,
  headers,
}: Pick<StoredTopicRecord, 'key' | 'value' | 'headers'>) {
  return {
    key: jsonBytes(key),
    value: jsonBytes(value),
    headers: headers.map(header => [header.key, jsonBytes(header.value)] as const),
  }
}

export function recordLine(record: StoredTopicRecord): string {
  const { partition, offset, timestamp, exactTimestamp } = record
  const rest = plainJson(recordFields(record))
  // A bigint prints all its digits; JSON does not limit the size of a number.
  const time = timestamp === NO_TIME ? null : (exactTimestamp ?? timestamp)
  return `{"partition":${partition},"offset":${offset},"timestamp":${time},${rest.slice(1)}`
}

/** Does this line look like a line of an export, by its field names? It may have further fields. */
export function isRecordLine(parsed: unknown): boolean {
  return isObject(parsed) && FIELDS.every(name => Object.hasOwn(parsed, name))
}

function isObject(parsed: unknown): parsed is Record<string, unknown> {
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
}

/**
 * The message of an exported line. Throws with the reason if it is not a record, also for what the
 * producer would refuse: the producer's error could not name the line.
 */
export function parseRecordLine(line: string): Message & { readonly partition: number } {
  const parsed: unknown = JSON.parse(line)
  if (!isObject(parsed)) throw new Error('expected a record as an object')
  const missing = NEEDED.filter(name => !Object.hasOwn(parsed, name))
  if (missing.length > 0) throw new Error(`expected a record, but it has no ${missing.join(', ')}`)
  const { partition, timestamp, key, value } = parsed
  const headers = Object.hasOwn(parsed, 'headers') ? parsed['headers'] : []
  if (!isCount(partition)) throw new Error('partition: expected a whole number')
  if (!Array.isArray(headers)) throw new Error('headers: expected a list of pairs')
  return {
    partition,
    key: bytesOf(key, 'key'),
    value: bytesOf(value, 'value'),
    headers: headers.map(headerOf),
    timestamp: timestamp === null ? NO_TIME : timeOf(timestamp),
  }
}

function timeOf(timestamp: unknown): number {
  if (isCount(timestamp)) return timestamp
  const isBeyond = typeof timestamp === 'number' && Number.isInteger(timestamp)
  const why = isBeyond && timestamp > 0 ? ' of at most 2^53 − 1' : ''
  throw new Error(`timestamp: expected milliseconds since 1970${why}, or null`)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function headerOf(pair: unknown): HeaderIn {
  const [key, value] = Array.isArray(pair) ? (pair as unknown[]) : []
  if (typeof key !== 'string') throw new Error('headers: expected a list of pairs')
  checkText(key, 'a header')
  return [key, bytesOf(value, `header ${key}`)]
}

function jsonBytes(bytes: Uint8Array | null): JsonBytes {
  if (bytes === null) return null
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer) ? buffer.toString('utf8') : { base64: buffer.toString('base64') }
}

function bytesOf(json: unknown, what: string): BytesIn {
  if (typeof json === 'string') checkText(json, what)
  if (json === null || typeof json === 'string') return json
  const base64 = (json as { base64?: unknown } | undefined)?.base64
  const bytes = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : undefined
  // Node skips invalid characters of base64, so the decoded bytes could be wrong ones.
  if (bytes !== undefined && bytes.toString('base64') === base64) return bytes
  throw new Error(`${what}: expected a string, null or {"base64":…}`)
}

function checkText(text: string, what: string): void {
  if (hasLoneSurrogate(text)) throw new Error(`${what}: it has a lone surrogate, half a character`)
}
