/*
 * Events in plain lines. Fields are the words of a line, by their numbers from 1, or the named
 * groups of a regular expression. The groups `key`, `value` and `time` need no option.
 */

import type { BytesIn } from '../../model/batch/record.js'
import { PartlogError } from '../../model/errors.js'
import { BoundedRegExp, TOO_SLOW, type Match } from '../text/bounded-regexp.js'
import {
  eachUnit,
  FieldMap,
  TextFields,
  utf8Of,
  type EventFields,
  type EventReader,
  type EventRules,
  type Outcome,
  type TimeNotes,
} from './event-rules.js'
import { BadEvent, type Unit } from './event-units.js'

export function lineReader(rules: EventRules, notes: TimeNotes): EventReader {
  if (rules.match !== undefined) return new MatchedLines(rules.match, rules, notes)
  const map = new FieldMap(rules, notes)
  const places = map.names.map(placeOf)
  if (places.length === 0 && map.isPlain) return eachUnit(unit => ({ key: null, value: unit }))
  return eachUnit(unit => map.messageOf(new Words(unit, places), unit))
}

function placeOf(name: string): number {
  if (/^[1-9]\d{0,5}$/.test(name)) return Number(name)
  throw new PartlogError(
    'INVALID_ARGUMENT',
    `plain lines have no field ${JSON.stringify(name)}: expected the number of a word, or a ` +
      'regular expression (match) with this group',
  )
}

/** Words are separated by ASCII blanks, and their bytes are kept, whatever the encoding. */
class Words implements EventFields {
  readonly #words: readonly (string | undefined)[]

  constructor(line: Buffer, places: readonly number[]) {
    const words: readonly string[] = line.toString('latin1').match(/[^ \t\v\f\r]+/g) ?? []
    this.#words = places.map(place => words[place - 1])
  }

  text(index: number): BytesIn | undefined {
    const word = this.#words[index]
    return word === undefined ? undefined : Buffer.from(word, 'latin1')
  }

  raw(index: number): BytesIn | undefined {
    return this.text(index)
  }

  time(index: number): string | undefined {
    return this.#words[index]
  }

  shown(index: number): string {
    return String(this.#words[index])
  }
}

/** The groups that are taken for what they are called. */
const OWN_GROUPS = { key: 'key', value: 'value', timestamp: 'time' } as const

class MatchedLines implements EventReader {
  readonly #expression: BoundedRegExp
  readonly #map: FieldMap

  constructor(match: RegExp, rules: EventRules, notes: TimeNotes) {
    this.#expression = new BoundedRegExp(match)
    const { groups } = this.#expression
    const own = Object.entries(OWN_GROUPS).flatMap(([role, group]) =>
      groups.includes(group) ? [[role, group]] : [],
    )
    const given = Object.fromEntries(Object.entries(rules).filter(each => each[1] !== undefined))
    this.#map = new FieldMap({ ...Object.fromEntries(own), ...given }, notes)
    const unknown = this.#map.names.find(name => !groups.includes(name))
    if (unknown === undefined) return
    throw new PartlogError(
      'INVALID_ARGUMENT',
      `the expression has no group ${JSON.stringify(unknown)}: its groups are ` +
        `${groups.join(', ') || 'none, (?<name>…) is one'}`,
    )
  }

  read(units: readonly Unit[]): Outcome[] {
    const lines = units.map(textOf)
    const texts = lines.filter(line => typeof line === 'string')
    const matches = this.#expression.matchAll(texts)
    let next = 0
    return lines.map((line, index) => {
      if (typeof line !== 'string') return line
      return this.#outcomeOf(matches[next++] as Match, units[index] as Buffer)
    })
  }

  #outcomeOf(match: Match, unit: Buffer): Outcome {
    if (match === TOO_SLOW) {
      return new BadEvent('too slow to match', 'the expression takes longer than a second for it')
    }
    if (match === null) return new BadEvent('no match', 'it does not match the expression')
    try {
      const fields = new TextFields(this.#map.names.map(name => match.groups?.[name]))
      return this.#map.messageOf(fields, unit)
    } catch (error) {
      if (error instanceof BadEvent) return error
      throw error
    }
  }
}

function textOf(unit: Unit): string | BadEvent {
  if (unit instanceof BadEvent) return unit
  try {
    return utf8Of(unit)
  } catch (error) {
    return error as BadEvent
  }
}
