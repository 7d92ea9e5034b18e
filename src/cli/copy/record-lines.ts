/**
 * Records as lines of JSON, without loss:
 *
 *   {"partition":0,"offset":17,"timestamp":1700000000000,
 *    "key":"k","value":"v","headers":[["h","x"]]}        (on one line)
 *
 * Bytes that are valid UTF-8 stand as a string, all others as {"base64":"…"}; null is no key, a
 * tombstone, a header without a value, or no time. The order of the fields is always the same, so
 * equal records give equal lines; read back are fields in any order, and more than these.
 */

import { isUtf8 } from 'node:buffer'
import type { Message } from '../../client/producer/messages.js'
import type { StoredTopicRecord } from '../../log/inspection/partition-directory.js'
import type { BytesIn, HeaderIn } from '../../model/record.js'
import { plainJson } from '../terminal/plain.js'
import { hasLoneSurrogate } from './json-token.js'

/** What Kafka stores for a record without a time. */
export const NO_TIME = -1

type JsonBytes = string | { readonly base64: string } | null

/** Those that every exported line has. */
const FIELDS = ['partition', 'offset', 'timestamp', 'key', 'value', 'headers']
/** Without these a line is no record; where it stood and headers may be missing. */
const NEEDED = ['partition', 'timestamp', 'key', 'value']

export function recordLine(record: StoredTopicRecord): string {
  const { partition, offset, timestamp, exactTimestamp, key, value, headers } = record
  const rest = plainJson({
    key: jsonBytes(key),
    value: jsonBytes(value),
    headers: headers.map(header => [header.key, jsonBytes(header.value)]),
  })
  // Digits, where no number would do: JSON has no bound for them.
  const time = timestamp === NO_TIME ? null : (exactTimestamp ?? timestamp)
  return `{"partition":${partition},"offset":${offset},"timestamp":${time},${rest.slice(1)}`
}

/** Is this line one of an export, by the names of its fields? It may have more of them. */
export function isRecordLine(parsed: unknown): boolean {
  return isObject(parsed) && FIELDS.every(name => Object.hasOwn(parsed, name))
}

function isObject(parsed: unknown): parsed is Record<string, unknown> {
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
}

/**
 * The message of an exported line, whatever the order of its fields. Throws with the reason when it
 * is none: what only the producer refused would be a message of many, and its line unknown.
 */
export function parseRecordLine(line: string): Message & { readonly partition: number } {
  const parsed: unknown = JSON.parse(line)
  if (!isObject(parsed)) throw new Error('expected a record as an object')
  const missing = NEEDED.filter(name => !Object.hasOwn(parsed, name))
  if (missing.length > 0) throw new Error(`expected a record, which has no ${missing.join(', ')}`)
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
  // Node leaves out what is not of the alphabet: then these are not the bytes that were meant.
  if (bytes !== undefined && bytes.toString('base64') === base64) return bytes
  throw new Error(`${what}: expected a string, null or {"base64":…}`)
}

function checkText(text: string, what: string): void {
  if (hasLoneSurrogate(text)) throw new Error(`${what}: half a character (a lone surrogate)`)
}
