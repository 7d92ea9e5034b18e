/** Where in a topic to begin or to end: an offset, a time, or one of them for each partition. */

import type { OptionType } from '../../base/options.js'
import type { PartitionDirectory } from '../../log/inspection/partition-directory.js'
import { isPartlogError } from '../../model/errors.js'
import { isoTime } from './time-text.js'

export type Place = number | Date
/** Of every partition the same, or of each its own. */
export type PlaceIn = Place | ReadonlyMap<number, Place>

function parsePlace(given: string): Place | undefined {
  return /^\d{1,15}$/.test(given) ? Number(given) : isoTime.parseText(given)
}

/** An offset, or a time. */
export const offsetOrTime: OptionType<Place> = {
  expected: `an offset or ${isoTime.expected}`,
  parse: () => undefined,
  parseText: parsePlace,
}

/** The same, or one for each partition: `0:17,1:2016-01-31T12:00:00Z`. */
export const placeInEach: OptionType<PlaceIn> = {
  expected: offsetOrTime.expected,
  parse: () => undefined,
  parseText: given => {
    const place = parsePlace(given)
    if (place !== undefined) return place
    const places = new Map<number, Place>()
    for (const each of given.split(',')) {
      const [, partition, text = ''] = /^(\d{1,5}):(.+)$/.exec(each) ?? []
      const one = parsePlace(text)
      if (partition === undefined || one === undefined || places.has(Number(partition))) {
        return undefined
      }
      places.set(Number(partition), one)
    }
    return places
  },
}

export function placeText(place: Place): string {
  return place instanceof Date ? place.toISOString() : String(place)
}

/** Milliseconds of 1973 to 2128. */
function looksLikeMs(offset: number): boolean {
  return offset >= 100_000_000_000 && offset < 5_000_000_000_000
}

/**
 * A number is an offset. One like the milliseconds of these decades that lies behind the end of
 * every log is a time: no record has it as its offset. undefined: it is what it looks like.
 */
export function timeIfBeyond(
  place: Place | undefined,
  ends: Iterable<number>,
): Date | undefined {
  if (typeof place !== 'number' || !looksLikeMs(place)) return undefined
  return [...ends].some(end => place <= end) ? undefined : new Date(place)
}

/** What a number was understood as. */
export function takenForTime(option: string, time: Date): string {
  return (
    `partlog: --${option} ${time.getTime()} is taken for a time, ${time.toISOString()}: ` +
    'no partition has so many offsets'
  )
}

/** The ends of logs, as far as they can be read. */
export async function endsOf(partitions: readonly PartitionDirectory[]): Promise<number[]> {
  const ends: number[] = []
  for (const partition of partitions) {
    try {
      ends.push(await partition.endOffset())
    } catch (error) {
      if (!isPartlogError(error)) throw error // those who read it will say what is wrong
    }
  }
  return ends
}
