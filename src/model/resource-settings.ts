/*
 * Settings of groups and of client metrics, with Kafka's names, defaults and bounds (4.4). Groups
 * with the consumer protocol go by theirs, except that assignments are never put off; no metrics of
 * clients are collected.
 */

import { integer, option, show, unknownKey, type OptionType } from '../base/options.js'
import { PartlogError, type ErrorCode } from './errors.js'
import { listed } from './topic-settings.js'

export interface ResourceSetting {
  readonly type: OptionType<unknown>
  readonly fallback: unknown
}

/** The settings of one kind of resource. */
export interface ResourceKind {
  /** Begins the sentences of errors. */
  readonly what: string
  readonly settings: Readonly<Record<string, ResourceSetting>>
  /** The code for a name that is none, or a value. */
  readonly code: ErrorCode
}

/** The parts of what a client says of itself, for which there are patterns (KIP-714). */
const CLIENT_PARTS: readonly string[] = [
  ...['client_instance_id', 'client_id', 'client_software_name', 'client_software_version'],
  ...['client_source_address', 'client_source_port'],
]
const MATCHER = new RegExp(`^(${CLIENT_PARTS.join('|')})=(.+)$`)

function isRegExp(text: string): boolean {
  try {
    new RegExp(text)
    return true
  } catch {
    return false
  }
}

const items = (text: string): string[] => (text.trim() === '' ? [] : listed(text))

function listOf(expected: string, accepts: (item: string) => boolean): OptionType<string> {
  const parseText = (text: string): string | undefined =>
    items(text).every(accepts) ? text : undefined
  return {
    expected,
    parseText,
    parse: value => (typeof value === 'string' ? parseText(value) : undefined),
  }
}

const matchers = listOf('patterns as "client_id=pattern"', item => {
  const [, , pattern] = MATCHER.exec(item) ?? []
  return pattern !== undefined && isRegExp(pattern)
})

export const GROUP_SETTINGS: ResourceKind = {
  what: 'group setting',
  code: 'INVALID_CONFIG',
  settings: {
    'consumer.session.timeout.ms': option(integer(45_000, 60_000), 45_000),
    'consumer.heartbeat.interval.ms': option(integer(5_000, 15_000), 5_000),
    'consumer.assignment.interval.ms': option(integer(0, 15_000), 1_000),
  },
}

export const CLIENT_METRICS_SETTINGS: ResourceKind = {
  what: 'client metrics setting',
  code: 'INVALID_REQUEST',
  settings: {
    'interval.ms': option(integer(100, 3_600_000), 300_000),
    match: option(matchers, ''),
    metrics: option(
      listOf('prefixes of metrics', item => item !== ''),
      '',
    ),
  },
}

/** Checks new values; null takes one back. Throws the kind's error. */
export function checkResourceSettings(
  { what, settings, code }: ResourceKind,
  changes: Readonly<Record<string, string | null>>,
): void {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) continue
    const setting = Object.hasOwn(settings, name) ? settings[name] : undefined
    if (setting === undefined) {
      throw new PartlogError(code, unknownKey(what, name, Object.keys(settings)))
    }
    if (setting.type.parseText(value) !== undefined) continue
    const sentence = `${what} ${name}: expected ${setting.type.expected}, got ${show(value)}`
    throw new PartlogError(code, sentence)
  }
}
