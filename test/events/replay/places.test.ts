/** Where to begin and end: how numbers and times are understood. */

import { describe, expect, it } from 'vitest'
import {
  offsetOrTime,
  placeInEach,
  takenForTime,
  timeIfBeyond,
} from '../../../src/events/replay/places.js'
import { isoTime } from '../../../src/events/text/time-text.js'

const at = (text: string): Date => new Date(text)

describe('a place', () => {
  it.each([
    ['0', 0],
    ['1600000000000', 1_600_000_000_000],
    ['2016-01-31T12:00:00Z', at('2016-01-31T12:00:00Z')],
    ['2016-01-31T12:00:00+01:00', at('2016-01-31T11:00:00Z')],
    ['2016-01-31T12:00', at('2016-01-31T12:00:00Z')], // of UTC, on every machine
    ['2016-01-31', at('2016-01-31T00:00:00Z')],
    ['1950-01-31', at('1970-01-01T00:00:00Z')],
  ])('%s', (text, expected) => {
    expect(offsetOrTime.parseText(text)).toEqual(expected)
    expect(placeInEach.parseText(text)).toEqual(expected)
  })

  it.each(['', '1.5', '-1', 'day 1', '2016-13-45', '2021-02-30', '1e3', '0:1:2', '0:', 'a:1', '0:1,'])(
    '%j is refused',
    text => {
      expect(offsetOrTime.parseText(text)).toBeUndefined()
      expect(placeInEach.parseText(text)).toBeUndefined()
      expect(isoTime.parseText(text)).toBeUndefined()
    },
  )

  it('a place may differ in each partition', () => {
    expect(placeInEach.parseText('0:17,11:2016-01-31T12:00:00.000Z')).toEqual(
      new Map<number, unknown>([
        [0, 17],
        [11, at('2016-01-31T12:00:00Z')],
      ]),
    )
    expect(placeInEach.parseText('0:1,0:2')).toBeUndefined()
    expect(offsetOrTime.parseText('0:17')).toBeUndefined()
  })
})

describe('a number like the milliseconds of now', () => {
  const MS = 1_600_000_000_000

  it.each([
    ['no log goes as far', MS, [10, 0], true],
    ['there are no logs', MS, [], true],
    ['one log goes as far', MS, [10, MS + 1], false],
    ['it is the end of one', MS, [MS], false],
    ['it is too small', 99_999_999_999, [10], false],
    ['it is too large', 5_000_000_000_000, [10], false],
  ])('a number like the milliseconds of now is a time if %s: %d of %j', (_, place, ends, isTime) => {
    expect(timeIfBeyond(place, ends)).toEqual(isTime ? new Date(place) : undefined)
  })

  it('a number taken for a time is reported', () => {
    expect(takenForTime('from', new Date(MS))).toBe(
      'partlog: --from 1600000000000 is taken for a time, 2020-09-13T12:26:40.000Z: ' +
        'it lies beyond the end of every partition',
    )
    expect(timeIfBeyond(new Date(MS), [10])).toBeUndefined()
    expect(timeIfBeyond(undefined, [10])).toBeUndefined()
  })
})
