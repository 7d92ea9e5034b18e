/*
 * Records that other tools have dumped:
 *
 *   kcat -C -J                 {"topic":…,"partition":0,"offset":1,"tstype":"create","ts":…,
 *                               "broker":0,"headers":["a","1"],"key":"k","payload":"v"}
 *   kafkajs                    {"topic":…,"partition":0,"message":{"offset":"1","timestamp":"…",
 *                               "key":{"type":"Buffer","data":[…]},"value":…,"headers":{…}}}
 *                              or the message alone
 *   kafka-console-consumer     CreateTime:…⇥Partition:0⇥Offset:1⇥a:1,b:2⇥key⇥value, each part
 *                              only if it was asked for (print.timestamp, print.partition …)
 *   Debezium                   {"before":…,"after":{…},"source":{…},"op":"c","ts_ms":…}, also
 *                              within {"schema":…,"payload":…}
 */

import type { Message } from '../../client/producer/messages.js'
import type { BytesIn, HeaderIn } from '../../model/batch/record.js'
import { fieldTokens, FieldName } from '../text/json-token.js'
import { JsonPaths } from '../text/field-path.js'
import { isBlank, JsonFields, keyOf, timeTextOf } from './json-events.js'
import {
  bytesIn,
  eachUnit,
  FieldMap,
  utf8Of,
  type EventReader,
  type EventRules,
  type TimeNotes,
} from './event-rules.js'
import { NO_TIME } from './record-lines.js'
import { BadEvent } from './event-units.js'

type Json = Readonly<Record<string, unknown>>

export function isObject(parsed: unknown): parsed is Json {
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
}

function wrong(name: string, expected: string, got: unknown): BadEvent {
  const shown = JSON.stringify(got) ?? 'undefined'
  return new BadEvent('not a record', `${name}: expected ${expected}, got ${shown.slice(0, 60)}`)
}

function objectOf(unit: Buffer): Json {
  const parsed: unknown = JSON.parse(utf8Of(unit))
  if (isObject(parsed)) return parsed
  throw new BadEvent('not a record', 'expected a record as an object')
}

function placeOf(partition: unknown): { readonly partition?: number } {
  if (partition === undefined) return {}
  if (Number.isSafeInteger(partition) && (partition as number) >= 0) {
    return { partition: partition as number }
  }
  throw wrong('partition', 'a whole number', partition)
}

/** Milliseconds, as a number or as its digits; −1 and none mean no time. */
function timeOf(name: string, given: unknown): number {
  if (given === undefined || given === null) return NO_TIME
  const ms = typeof given === 'string' && /^-?\d{1,16}$/.test(given) ? Number(given) : given
  if (Number.isSafeInteger(ms) && (ms as number) >= NO_TIME) return ms as number
  throw wrong(name, 'milliseconds since 1970', given)
}

// ── kcat ─────────────────────────────────────────────────────────────────────────────────

export function isKcatLine(parsed: unknown): boolean {
  if (!isObject(parsed)) return false
  const has = (name: string): boolean => Object.hasOwn(parsed, name)
  return has('topic') && has('partition') && has('offset') && (has('payload') || has('key')) &&
    (has('ts') || has('tstype') || has('broker') || has('headers'))
}

export function kcatReader(rules: EventRules): EventReader {
  return eachUnit(unit => (isBlank(unit) ? undefined : kcatMessage(objectOf(unit), rules)))
}

function kcatMessage(line: Json, { keyEncoding, valueEncoding }: EventRules): Message {
  const { partition, ts, key, payload, headers = [] } = line
  if (!Array.isArray(headers)) throw wrong('headers', 'a list of names and values', headers)
  const pairs: HeaderIn[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const name: unknown = headers[index]
    if (typeof name !== 'string') throw wrong('headers', 'a name', name)
    pairs.push([name, textOrNull(`header ${name}`, headers[index + 1])])
  }
  return {
    ...placeOf(partition),
    key: bytesIn(textOrNull('key', key), keyEncoding),
    value: bytesIn(textOrNull('payload', payload), valueEncoding),
    headers: pairs,
    timestamp: timeOf('ts', ts),
  }
}

function textOrNull(name: string, given: unknown): string | null {
  if (given === undefined || given === null) return null
  if (typeof given === 'string') return given
  throw wrong(name, 'text or null', given)
}

// ── kafkajs ──────────────────────────────────────────────────────────────────────────────

export function isKafkajsLine(parsed: unknown): boolean {
  if (!isObject(parsed)) return false
  if (isObject(parsed['message'])) return isKafkajsMessage(parsed['message'])
  return isKafkajsMessage(parsed) && Object.hasOwn(parsed, 'attributes')
}

function isKafkajsMessage(message: Json): boolean {
  const names = ['value', 'offset', 'timestamp']
  return names.every(name => Object.hasOwn(message, name)) && typeof message['offset'] === 'string'
}

export function kafkajsReader(): EventReader {
  return eachUnit(unit => (isBlank(unit) ? undefined : kafkajsMessage(objectOf(unit))))
}

function kafkajsMessage(line: Json): Message {
  const message = isObject(line['message']) ? line['message'] : line
  const { key, value, headers, timestamp } = message
  return {
    ...placeOf(line['partition']),
    key: bufferOf('key', key),
    value: bufferOf('value', value),
    headers: isObject(headers) ? Object.entries(headers).flatMap(headerOf) : [],
    timestamp: timeOf('timestamp', timestamp),
  }
}

function headerOf([name, given]: [string, unknown]): HeaderIn[] {
  const values: readonly unknown[] = Array.isArray(given) ? given : [given]
  return values.map(value => [name, bufferOf(`header ${name}`, value)] as const)
}

/** A Buffer as JSON.stringify writes it, or text. */
function bufferOf(name: string, given: unknown): BytesIn {
  if (given === undefined || given === null) return null
  if (typeof given === 'string') return given
  const data = isObject(given) && given['type'] === 'Buffer' ? given['data'] : undefined
  const isByte = (byte: unknown): boolean => Number.isInteger(byte) && (byte as number) >>> 8 === 0
  if (Array.isArray(data) && data.every(isByte)) return Buffer.from(data as number[])
  throw wrong(name, 'text, null or {"type":"Buffer","data":[…]}', given)
}

// ── kafka-console-consumer ───────────────────────────────────────────────────────────────

const TIME_PART = /^(?:(?:CreateTime|LogAppendTime):(-?\d{1,16})|NO_TIMESTAMP)$/
const NUMBER_PART = /^(Partition|Offset|Delivery|Epoch):(\d+|NOT_PRESENT)$/
const HEADERS_PART = /^(?:NO_HEADERS|[^:,]+:[^,]*(?:,[^:,]+:[^,]*)*)$/

/** Does this line begin with a part that only the console consumer writes? */
export function isConsoleLine(line: string): boolean {
  const [first = ''] = line.split('\t', 1)
  return (TIME_PART.test(first) || NUMBER_PART.test(first)) && line.includes('\t')
}

/** Which columns stand behind the parts with names; the first line tells. */
interface ConsoleLayout {
  readonly hasHeaders: boolean
  readonly hasKey: boolean
}

export function consoleReader(rules: EventRules): EventReader {
  let layout: ConsoleLayout | undefined
  return eachUnit(unit => {
    if (unit.length === 0) return undefined
    const parts = partsOf(utf8Of(unit))
    layout ??= layoutOf(parts.columns)
    return consoleMessage(parts, layout, rules)
  })
}

interface ConsoleParts {
  timestamp: number | undefined
  partition: number | undefined
  /** What stands behind them: headers, key and value, as far as they were printed. */
  columns: readonly string[]
}

function partsOf(line: string): ConsoleParts {
  const columns = line.split('\t')
  const parts: ConsoleParts = { timestamp: undefined, partition: undefined, columns }
  let count = 0
  for (; count < columns.length; count++) {
    const column = columns[count] as string
    const time = TIME_PART.exec(column)
    const number = NUMBER_PART.exec(column)
    if (time !== null) parts.timestamp = Number(time[1] ?? NO_TIME)
    else if (number === null) break
    else if (number[1] === 'Partition') parts.partition = Number(number[2])
  }
  parts.columns = columns.slice(count)
  return parts
}

function layoutOf(columns: readonly string[]): ConsoleLayout {
  const [first = ''] = columns
  const hasHeaders = first === 'NO_HEADERS' || (columns.length > 2 && HEADERS_PART.test(first))
  return { hasHeaders, hasKey: columns.length - Number(hasHeaders) > 1 }
}

function consoleMessage(
  { timestamp = NO_TIME, partition, columns }: ConsoleParts,
  { hasHeaders, hasKey }: ConsoleLayout,
  { keyEncoding, valueEncoding }: EventRules,
): Message {
  const before = Number(hasHeaders) + Number(hasKey)
  if (columns.length <= before) {
    throw new BadEvent('wrong columns', `expected ${before + 1} columns, got ${columns.length}`)
  }
  const headers = hasHeaders ? consoleHeaders(columns[0] as string) : []
  const key = hasKey ? (columns[before - 1] as string) : 'null'
  const value = columns.slice(before).join('\t')
  const nullable = (text: string): string | null => (text === 'null' ? null : text)
  return {
    ...(partition === undefined ? {} : { partition }),
    key: bytesIn(nullable(key), keyEncoding),
    value: bytesIn(nullable(value), valueEncoding),
    headers,
    timestamp,
  }
}

function consoleHeaders(text: string): HeaderIn[] {
  if (text === 'NO_HEADERS' || text === '') return []
  return text.split(',').map(pair => {
    const colon = pair.indexOf(':')
    if (colon < 0) throw new BadEvent('wrong columns', `headers: expected name:value, got ${pair}`)
    const value = pair.slice(colon + 1)
    return [pair.slice(0, colon), value === 'null' ? null : value]
  })
}

// ── Debezium ─────────────────────────────────────────────────────────────────────────────

export function isDebeziumLine(parsed: unknown): boolean {
  const envelope = isObject(parsed) && isObject(parsed['payload']) ? parsed['payload'] : parsed
  return isObject(envelope) && typeof envelope['op'] === 'string' &&
    Object.hasOwn(envelope, 'after') && isObject(envelope['source'])
}

const PAYLOAD = new FieldName('payload')
const ENVELOPE = ['before', 'after', 'op', 'ts_ms', 'source'].map(name => new FieldName(name))
const SOURCE_TIME = new FieldName('ts_ms')

/**
 * Takes the row after each change as the value; a delete becomes a tombstone. Fields are those of
 * the row: of the one before a delete. The time is that of the change in its database.
 */
export function debeziumReader(rules: EventRules, notes: TimeNotes): EventReader {
  const map = new FieldMap(rules, notes)
  const times = new FieldMap({ timestamp: 'ts_ms', times: { unit: 'ms' } }, notes)
  const paths = new JsonPaths(map.names)
  return eachUnit(unit => {
    if (isBlank(unit)) return undefined
    JSON.parse(unit.toString('utf8'))
    const [payload] = fieldTokens(unit, [PAYLOAD])
    const envelope = payload === undefined || keyOf(payload) === null ? unit : payload
    const [before, after, op, time, source] = fieldTokens(envelope, ENVELOPE)
    if (op === undefined || after === undefined) {
      throw new BadEvent('no envelope', 'expected an envelope of Debezium with after and op')
    }
    const row = keyOf(after) === null ? before : after
    if (row === undefined || keyOf(row) === null) {
      throw new BadEvent('no row', 'expected a row before or after the change (before, after)')
    }
    const fields = new JsonFields(paths.tokens(row))
    const message = map.messageOf(fields, row === after ? after : null)
    if (rules.timestamp !== undefined) return message
    const sourceTime = source === undefined ? undefined : fieldTokens(source, [SOURCE_TIME])[0]
    const text = timeTextOf(sourceTime ?? time ?? Buffer.from('null'))
    return { ...message, timestamp: text === undefined ? NO_TIME : times.timeIn(text) }
  })
}
