/* Where in a topic to begin or end: an offset, a time, or one of these for each partition. */

import type { OptionType } from '../../base/options.js'
import type { PartitionDirectory } from '../../log/inspection/partition-directory.js'
import { isPartlogError } from '../../model/errors.js'
import { isoTime } from '../text/time-text.js'

export type Place = number | Date
/** The same place in every partition, or one for each partition. */
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
 * The time that `place` means, though it looks like an offset: it lies beyond the end of every log,
 * and as milliseconds it is a time from 1973 to 2128. undefined: `place` is an offset or a Date.
 */
export function timeIfBeyond(
  place: Place | undefined,
  ends: Iterable<number>,
): Date | undefined {
  if (typeof place !== 'number' || !looksLikeMs(place)) return undefined
  return [...ends].some(end => place <= end) ? undefined : new Date(place)
}

/** Tells the user that a number was taken for a time. */
export function takenForTime(option: string, time: Date): string {
  return (
    `partlog: --${option} ${time.getTime()} is taken for a time, ${time.toISOString()}: ` +
    'it lies beyond the end of every partition'
  )
}

/** The end offsets of the logs that can be read. */
export async function endsOf(partitions: readonly PartitionDirectory[]): Promise<number[]> {
  const ends: number[] = []
  for (const partition of partitions) {
    try {
      ends.push(await partition.endOffset())
    } catch (error) {
      if (!isPartlogError(error)) throw error // the replay of this log will report the error
    }
  }
  return ends
}
