/*
 * Where in a topic to begin or end: an offset, a time, or one of these for each partition; also how
 * long ago (-1h), or how far before the end (end-100).
 */

import type { OptionType } from '../../base/options.js'
import type { PartitionDirectory } from '../../log/inspection/partition-directory.js'
import { isPartlogError } from '../../model/errors.js'
import { durationMs } from '../text/durations.js'
import { isoTime } from '../text/time-text.js'

export type Place = number | Date
/** A place that depends on the moment, or on the end of each partition. */
export type RelativePlace = { readonly agoMs: number } | { readonly beforeEnd: number }
/** The same place in every partition, or one for each partition. */
export type PlaceIn = Place | ReadonlyMap<number, Place>
/** A place as it was given. */
export type GivenPlace = PlaceIn | RelativePlace

function parsePlace(given: string): Place | undefined {
  return /^\d{1,15}$/.test(given) ? Number(given) : isoTime.parseText(given)
}

function parseRelative(given: string): RelativePlace | undefined {
  const agoMs = given.startsWith('-') ? durationMs(given.slice(1)) : undefined
  if (agoMs !== undefined) return { agoMs }
  const [, count] = /^end(?:-(\d{1,15}))?$/.exec(given) ?? []
  return given.startsWith('end') && (count !== undefined || given === 'end')
    ? { beforeEnd: Number(count ?? 0) }
    : undefined
}

/** Does the place depend on the moment? */
export function isRelative(place: GivenPlace | undefined): place is RelativePlace {
  if (typeof place !== 'object' || place instanceof Date || place instanceof Map) return false
  return 'agoMs' in place || 'beforeEnd' in place
}

/** The place of a relative one, now. */
export async function resolved(
  place: RelativePlace,
  partitions: readonly PartitionDirectory[],
  nowMs: number,
): Promise<PlaceIn> {
  if ('agoMs' in place) return new Date(Math.max(0, nowMs - place.agoMs))
  const places = new Map<number, Place>()
  for (const each of partitions) {
    const offset = Math.max(each.logStartOffset, (await each.endOffset()) - place.beforeEnd)
    places.set(each.partition, offset)
  }
  return places
}

/** An offset, or a time. */
export const offsetOrTime: OptionType<Place> = {
  expected: `an offset or ${isoTime.expected}`,
  parse: () => undefined,
  parseText: parsePlace,
}

/**
 * An offset, a time, `-1h`, `end-100`, or an offset or time for each partition:
 * `0:17,1:2016-01-31T12:00:00Z`.
 */
export const placeInEach: OptionType<GivenPlace> = {
  expected: `an offset or ${isoTime.expected}, -1h or end-100`,
  parse: () => undefined,
  parseText: given => {
    const place = parsePlace(given) ?? parseRelative(given)
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

export function placeText(place: PlaceIn): string {
  if (place instanceof Date) return place.toISOString()
  if (typeof place === 'number') return String(place)
  return [...place].map(([partition, each]) => `${partition}:${placeText(each)}`).join(',')
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
  place: GivenPlace | undefined,
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
