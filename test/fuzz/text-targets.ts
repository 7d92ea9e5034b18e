/** Text that people and programs give: names, settings, patterns, times, lines of events. */

import { isUtf8 } from 'node:buffer'
import { FieldName, fieldTokens } from '../../src/events/text/json-token.js'
import {
  FORMAT_NAMES,
  TimeNotes,
  type EventFormat,
  type EventRules,
  type Outcome,
} from '../../src/events/formats/event-rules.js'
import { FORMATS, type Format } from '../../src/events/formats/formats.js'
import { BadEvent, type Unit } from '../../src/events/formats/event-units.js'
import { offsetOrTime, placeInEach } from '../../src/events/replay/places.js'
import { isRecordLine, parseRecordLine, recordLine } from '../../src/events/formats/record-lines.js'
import { readTime, TIME_UNITS, timeZoneOf, UTC } from '../../src/events/text/time-text.js'
import { parseKafkaAddress } from '../../src/cli/kafka-address.js'
import { isResetPolicy, resetTimestamp } from '../../src/client/consumer/reset-policy.js'
import { checkedTopics } from '../../src/client/consumer/subscription.js'
import { logConfig } from '../../src/log/format/log-config.js'
import { checkGroupId, checkTopicName, isTopicName, topicsCollide } from '../../src/model/names.js'
import {
  checkTogether,
  parseTopicConfig,
  settingTexts,
  TOPIC_SETTINGS,
  type TopicSetting,
} from '../../src/model/topic-settings.js'
import { addressOf, endpointOf } from '../../src/wire/addresses.js'
import { must, shown, typedOr, type Target } from './target.js'

/** An Error of no other class, as the commands throw and catch it, or a word of JSON.parse. */
const isSentence = (error: Error): boolean =>
  ['Error', 'SyntaxError', 'UsageError'].includes(error.name) && error.message !== ''

function names(bytes: Buffer): boolean {
  const name = bytes.toString('utf8')
  void topicsCollide(name, 'orders.a')
  const { isValid } = tryName(name)
  must(isValid === isTopicName(name), 'both say the same of a name')
  must(!isValid || /^[\w.-]{1,249}$/.test(name), 'a topic’s name is a folder’s name')
  checkGroupId(name)
  return isValid
}

function tryName(name: string): { readonly isValid: boolean } {
  try {
    checkTopicName(name)
    return { isValid: true }
  } catch (error) {
    if (!typedOr()(error as Error)) throw error
    return { isValid: false }
  }
}

function settings(bytes: Buffer): boolean {
  const given = JSON.parse(bytes.toString('utf8')) as unknown
  void settingTexts(given)
  const texts = parseTopicConfig(given)
  checkTogether(texts)
  const config = logConfig(texts)
  const again = parseTopicConfig({ ...texts })
  must(shown(again) === shown(texts), () => `${shown(texts)} becomes ${shown(again)}`)
  must(shown(logConfig(again)) === shown(config), 'settings mean the same as text')
  for (const [name, value] of Object.entries(config)) {
    must(typeof value !== 'number' || !Number.isNaN(value), `${name} is a number`)
  }
  return true
}

const PATTERN_NAMES = ['orders', 'orders-eu', 'a.b', '', '__offsets']

function pattern(bytes: Buffer): boolean {
  const [source = '', flags = ''] = bytes.toString('utf8').slice(0, 24).split('\n')
  const given = new RegExp(source, flags)
  const kept = checkedTopics(given) as RegExp
  for (const name of PATTERN_NAMES) {
    must(kept.test(name) === kept.test(name), 'a pattern keeps no place')
    given.lastIndex = 0
    const isSame = given.sticky || kept.test(name) === given.test(name)
    must(isSame, () => `${given} and ${kept} differ on ${name}`)
  }
  return true
}

const ZONES = ['UTC', '+02:00', 'Europe/Berlin'].map(timeZoneOf)

function times(bytes: Buffer): boolean {
  const text = bytes.toString('utf8')
  let accepted = false
  for (const [at, zone] of [undefined, ...ZONES].entries()) {
    for (const unit of [undefined, TIME_UNITS[at]]) {
      try {
        const { ms } = readTime(text, { unit, zone })
        must(Number.isSafeInteger(ms) && ms >= 0, () => `${text} is ${ms}`)
        const iso = new Date(ms).toISOString()
        if (!/^\d{4}/.test(iso)) continue
        must(readTime(iso, { zone: UTC }).ms === ms, () => `${iso} is ${ms}`)
        accepted = true
      } catch (error) {
        if (!isSentence(error as Error)) throw error
      }
    }
  }
  void timeZoneOf(text)
  for (const type of [offsetOrTime, placeInEach]) {
    const place = type.parseText(text)
    if (place instanceof Date) must(!Number.isNaN(place.getTime()), 'a place is a time')
    if (typeof place === 'number') must(Number.isSafeInteger(place), 'a place is an offset')
  }
  if (isResetPolicy(text)) {
    const at = resetTimestamp(text as 'none', 1_000_000)
    must(at === undefined || Number.isSafeInteger(at), () => `${text} is ${at}`)
  }
  return accepted
}

function addresses(bytes: Buffer): boolean {
  const text = bytes.toString('utf8')
  try {
    const endpoint = endpointOf(text)
    const again = endpointOf(addressOf(endpoint))
    must(shown(again) === shown(endpoint), () => `${shown(endpoint)} becomes ${shown(again)}`)
  } catch (error) {
    if (!typedOr()(error as Error)) throw error
  }
  const { topic } = parseKafkaAddress('--to', text)
  must(isTopicName(topic), 'an address names a topic')
  return true
}

// ── lines ────────────────────────────────────────────────────────────────────────────────

const RULES: readonly (EventRules & { readonly format: EventFormat })[] = [
  { format: 'json', key: 'id', timestamp: 'at', times: { zone: UTC } },
  { format: 'json', key: 'é', headers: [['h', 'more.x[1]']], tombstones: [['id', 'a']] },
  { format: 'json', timestamp: '__proto__', times: { unit: 's' }, value: '$.more' },
  { format: 'json-array', key: '$[0].id' },
  { format: 'csv', key: 'id' },
  { format: 'tsv', keyEncoding: 'hex' },
  { format: 'lines', key: '2' },
  ...FORMAT_NAMES.slice(FORMAT_NAMES.indexOf('records')).map(format => ({ format })),
]

function lines(bytes: Buffer): boolean {
  let accepted = false
  for (const { format, ...rules } of RULES) {
    for (const outcome of outcomesOf(FORMATS[format], rules, bytes)) {
      if (outcome === undefined) continue
      if (outcome instanceof BadEvent) {
        must(outcome.message !== '' && outcome.kind !== '', 'a reason is told')
        continue
      }
      const { key = null, timestamp } = outcome
      must(key === null || typeof key === 'string' || key instanceof Uint8Array, 'a key is bytes')
      const isTime = timestamp === undefined || Number.isSafeInteger(timestamp)
      must(isTime, () => `a time is ${String(timestamp)}`)
      accepted = true
    }
  }
  return accepted
}

/** The same whether the bytes come at once or in three pieces; a wrong header is refused. */
function outcomesOf(format: Format, rules: EventRules, bytes: Buffer): readonly Outcome[] {
  const cut = (size: number): Unit[] => {
    const cutter = format.cutter()
    const units: Unit[] = []
    for (let at = 0; at < bytes.length; at += size) {
      // A copy: units may be views of what was given.
      units.push(...cutter.push(Buffer.from(bytes.subarray(at, at + size))))
    }
    return [...units, ...cutter.end()]
  }
  const units = cut(bytes.length)
  const said = (all: readonly Unit[]): string =>
    shown(all.map(unit => (unit instanceof BadEvent ? unit.message : unit.toString('latin1'))))
  const pieces = said(cut(1 + Math.floor(bytes.length / 3)))
  must(said(units) === pieces, () => `${said(units)} or ${pieces}`)
  try {
    return format.reader(rules, new TimeNotes()).read(units)
  } catch (error) {
    if (!typedOr()(error as Error)) throw error
    return []
  }
}

const FIELDS = ['id', 'at', 'é', '', '__proto__'].map(name => new FieldName(name))

/** The text of a field is what JSON.parse makes of it. */
function tokens(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false
  const parsed = JSON.parse(bytes.toString('utf8')) as Record<string, unknown> | null
  const found = fieldTokens(bytes, FIELDS)
  const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
  for (const [at, { name }] of FIELDS.entries()) {
    const token = found[at]
    const has = isObject && Object.hasOwn(parsed, name)
    must((token !== undefined) === has, () => `"${name}" is ${has ? '' : 'not '}there`)
    if (token === undefined || !isObject) continue
    const value = JSON.stringify(JSON.parse(token.toString('utf8')))
    must(value === JSON.stringify(parsed[name]), () => `"${name}" is ${value}`)
  }
  return isObject
}

/** A line of an export, read and written again. */
function exported(bytes: Buffer): boolean {
  const line = bytes.toString('utf8')
  const { partition, key = null, value, headers = [], timestamp = -1 } = parseRecordLine(line)
  const asBytes = (content: unknown): Buffer | null =>
    content === null ? null : Buffer.from(content as string)
  const again = recordLine({
    topic: 't',
    partition,
    offset: 0,
    leaderEpoch: 0,
    timestampType: 'CreateTime',
    timestamp: timestamp as number,
    isControl: false,
    key: asBytes(key),
    value: asBytes(value),
    headers: (headers as (readonly [string, unknown])[]).map(([name, content]) => ({
      key: name,
      value: asBytes(content),
    })),
  })
  must(isRecordLine(JSON.parse(again)), 'an exported line is one')
  const back = parseRecordLine(again)
  const plain = (record: typeof back): string =>
    shown({ ...record, key: asBytes(record.key ?? null), value: asBytes(record.value) })
  const first = { ...parseRecordLine(line) }
  must(
    plain({ ...first, headers: [] }) === plain({ ...back, headers: [] }),
    () => `${plain(first)} becomes ${plain(back)}`,
  )
  return true
}

const EVENT = '{"id":"a","at":"2016-01-31T12:00:00Z","é":1,"more":{"x":[1,"\\u00e9\\"",null]}}'
const RECORD =
  '{"partition":0,"offset":17,"timestamp":1700000000000,"key":"k",' +
  '"value":{"base64":"/wA="},"headers":[["h","x"],["n",null]]}'
const JSON_WORDS = [
  ...['"id":', '"at":', '"\\u0069d":', '"__proto__":{"x":1}', 'null', 'true', '1e999', '{"', '}'],
  ...['"\\ud800"', '1454241600', '1454241600123456789', '{"base64":"!"}', ',"headers":', '[[', ']]'],
]

/** Values that a setting may have. */
const SETTING_WORDS = [
  ...Object.keys(TOPIC_SETTINGS).map(name => `"${name}":1,`),
  ...['"compact"', '"delete,compact"', '-1', '"9223372036854775807"', '"0x10"', '1.5', 'true'],
  ...['"__proto__":{"a":1},', '"constructor":1,', '" 5 "', '""', 'null', '1e30'],
]
const someSettings: Partial<Record<TopicSetting, unknown>> = {
  'retention.ms': 5,
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': '0.5',
  'segment.bytes': '1048576',
  'compression.type': 'gzip',
  'unclean.leader.election.enable': 'true',
  'min.compaction.lag.ms': 5,
}

const texts = (...all: readonly string[]) => () => all.map(each => Buffer.from(each))

export const TEXT_TARGETS: readonly Target[] = [
  {
    name: 'topic-names',
    seeds: texts('orders', 'a.b_c-d', '__consumer_offsets', '..', 'x'.repeat(249)),
    isText: true,
    words: ['/', '..', '\0', 'é', 'a'.repeat(250)],
    run: names,
    refuses: typedOr(),
    inputs: 5_000,
  },
  {
    name: 'topic-settings',
    seeds: texts(JSON.stringify(someSettings), '{}', 'null', '[]'),
    isText: true,
    words: SETTING_WORDS,
    run: settings,
    refuses: typedOr('SyntaxError'),
    inputs: 8_000,
  },
  {
    name: 'topic-patterns',
    seeds: texts('^orders', 'o(r|d)+s?\ng', '[a-z]\niy', '\\w{2,}\nu'),
    isText: true,
    words: ['(?=', '[', '\ng', '\ny', '\\1', '|'],
    run: pattern,
    refuses: typedOr('SyntaxError'),
    inputs: 3_000,
  },
  {
    name: 'times',
    seeds: texts(
      ...['2016-01-31T12:00:00.123+01:00', '2016-01-31', '20160131T120000Z', '1454241600'],
      ...['1454241600123', '1.454241600123e12', '2016-03-27 02:30:00', 'by_duration:P1DT2H3.5S'],
      ...['0:17,1:2016-01-31T12:00:00Z', 'latest'],
    ),
    isText: true,
    words: ['Z', '+23:59', '-00:00', 'T', '.', ',', '0000', '9999', 'e-40', 'e40', 'Europe/Paris'],
    run: times,
    refuses: isSentence,
    inputs: 4_000,
  },
  {
    name: 'addresses',
    seeds: texts('kafka://a:9092,b:9092/orders', 'kafka://[::1]:9/t', 'localhost:9092'),
    isText: true,
    words: ['kafka://', '@', ':0', ':65536', '[', ']', '?', '#', '/'],
    run: addresses,
    refuses: error => typedOr()(error) || isSentence(error),
    inputs: 4_000,
  },
  {
    name: 'event-lines',
    seeds: texts(
      ...[EVENT, `${EVENT}\n${EVENT}`, RECORD, 'a b c', '{"id":5,"at":1454241600123}'],
      ...['id,at\n1,"a ""b""\n,c"\n', 'id\tat\n"1\t2\n', `[${EVENT}, 1,"x\\""]`, '{"a":\n1}[2]'],
      ...['CreateTime:5\tPartition:0\th:1\tk\tv', '{"op":"c","after":{"id":1},"ts_ms":5}'],
      ...['{"topic":"t","partition":0,"offset":1,"ts":5,"key":"k","payload":"v","headers":["a",null]}'],
    ),
    isText: true,
    words: JSON_WORDS,
    run: lines,
    refuses: isSentence,
    inputs: 3_000,
  },
  {
    name: 'json-fields',
    seeds: texts(EVENT, '{"":{"id":1},"id":[{"id":2}]}', ' { "id" : "\\\\" , "id":3 } '),
    isText: true,
    words: JSON_WORDS,
    run: tokens,
    refuses: isSentence,
    inputs: 10_000,
  },
  {
    name: 'exported-lines',
    seeds: texts(RECORD, RECORD.replace('1700000000000', 'null')),
    isText: true,
    words: JSON_WORDS,
    run: exported,
    refuses: isSentence,
    inputs: 8_000,
  },
]
