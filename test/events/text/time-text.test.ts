/** Text that is a time, and text that only looks like one. */

import { describe, expect, it } from 'vitest'
import {
  readTime,
  timeFromIso,
  timeZoneOf,
  UTC,
  type TimeRules,
  type TimeUnit,
} from '../../../src/events/text/time-text.js'

const timeFromText = (text: string, rules?: TimeRules): number => readTime(text, rules).ms

const iso = (text: string, unit?: TimeUnit): string =>
  new Date(timeFromText(text, { unit })).toISOString()

describe('ISO 8601 with a zone', () => {
  it.each([
    ['2016-01-31T12:00:00Z', '2016-01-31T12:00:00.000Z'],
    ['2016-01-31T12:00Z', '2016-01-31T12:00:00.000Z'],
    ['2016-01-31 12:00:00+01:00', '2016-01-31T11:00:00.000Z'],
    ['2016-01-31 12:00:00 -0530', '2016-01-31T17:30:00.000Z'],
    ['2016-01-31t12:00:00.5z', '2016-01-31T12:00:00.500Z'],
    ['2016-01-31T12:00:00,123456789+00', '2016-01-31T12:00:00.123Z'],
    ['2016-01-31T12:00:00.9999999Z', '2016-01-31T12:00:00.999Z'],
    ['2016-01-31 12:00:00 UTC', '2016-01-31T12:00:00.000Z'],
    ['20160131T120000Z', '2016-01-31T12:00:00.000Z'],
    ['20160131T120000.250+0200', '2016-01-31T10:00:00.250Z'],
    ['2016-02-29T23:59:59Z', '2016-02-29T23:59:59.000Z'],
    ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
  ])('%s', (text, expected) => {
    expect(iso(text)).toBe(expected)
  })
})

describe('text that is not a time is refused', () => {
  it.each([
    ...['order-1', 'user 12', 'true', '', ' ', '?', 'now', '2016', '2016-01', '12:00:00Z'],
    ...['13/04/2016', '03/04/2016', 'Jan 31 2016', 'Wed, 21 Oct 2015 07:28:00 GMT'],
    ...['2016-1-31T12:00:00Z', '2016-01-31T12Z', '2016-01-31T1:00:00Z', '2016-W05-7', '16-01-31'],
    ...['2021-02-31T10:00:00Z', '2021-02-29T10:00:00Z', '2021-13-01T00:00:00Z'],
    ...['2021-01-00T00:00:00Z', '2021-01-01T24:00:00Z', '2021-01-01T23:60:00Z'],
    ...['2021-01-01T23:59:60Z', '2021-01-01T00:00:00+24:00', '2021-01-01T00:00:00+01:60'],
    ...['2021-01-01T00:00:00 EST', '2021-01-01T00:00:00Zx', '+2021-01-01T00:00:00Z', '0x10', '1_0'],
    ...['NaN', 'Infinity', '1e', '--1', '.5', '1.', `1${'0'.repeat(60)}`, '1e400'],
  ])('%j', text => {
    expect(() => timeFromText(text, { zone: UTC })).toThrow()
    expect(() => timeFromText(text)).toThrow()
  })

  it.each(['2018-08-31 09:30:00', '2018-08-31T09:30', '2018-08-31', '20180831T093000'])(
    '%s is refused without a zone',
    text => {
      expect(() => timeFromText(text)).toThrow('it has no time zone: add --timezone UTC')
      expect(timeFromText(text, { zone: UTC })).toBe(timeFromIso(text, UTC))
    },
  )

  it.each(['1955-01-01T00:00:00Z', '1969-12-31T23:59:59.999Z', '-1', '-1700000000'])(
    '%s is refused: it lies before 1970',
    text => {
      expect(() => timeFromText(text)).toThrow('before 1970')
      expect(() => timeFromText(text, { unit: 's' })).toThrow('before 1970')
    },
  )
})

describe('a number since 1970', () => {
  it.each([
    ['1700000000', '2023-11-14T22:13:20.000Z'],
    ['1700000000.123', '2023-11-14T22:13:20.123Z'],
    ['1700000000.9999', '2023-11-14T22:13:20.999Z'],
    ['1.7e9', '2023-11-14T22:13:20.000Z'],
    ['1.7000000001234567E+09', '2023-11-14T22:13:20.123Z'],
    ['1700000000123', '2023-11-14T22:13:20.123Z'],
    ['1700000000123.7', '2023-11-14T22:13:20.123Z'],
    ['1700000000123456', '2023-11-14T22:13:20.123Z'],
    ['1544712660300000000', '2018-12-13T14:51:00.300Z'],
    ['1544712660300999999', '2018-12-13T14:51:00.300Z'],
    ['100000000', '1973-03-03T09:46:40.000Z'],
    ['4999999999', '2128-06-11T08:53:19.000Z'],
  ])('%s has a clear unit', (text, expected) => {
    expect(iso(text)).toBe(expected)
  })

  it.each(['0', '1', '1000', '1.5', '20160131', '99999999', '5000000000', '50000000000'])(
    '%s has no clear unit',
    text => {
      expect(() => timeFromText(text)).toThrow('add --timestamp-unit s, ms, us or ns')
    },
  )

  it.each([
    ['0', 'ms', '1970-01-01T00:00:00.000Z'],
    ['1000', 'ms', '1970-01-01T00:00:01.000Z'],
    ['1000', 's', '1970-01-01T00:16:40.000Z'],
    ['1.5', 's', '1970-01-01T00:00:01.500Z'],
    ['1999', 'us', '1970-01-01T00:00:00.001Z'],
    ['9007199254740993000', 'ns', '2255-06-05T23:47:34.740Z'],
    ['32503680000', 's', '3000-01-01T00:00:00.000Z'],
  ] as const)('%s %s is said', (text, unit, expected) => {
    expect(iso(text, unit)).toBe(expected)
  })

  it('a number beyond the latest time is refused', () => {
    expect(() => timeFromText('9000000000000000', { unit: 'ms' })).toThrow('beyond the year')
    expect(() => timeFromText('1700000000123', { unit: 's' })).not.toThrow()
  })

  it('the ranges of the units do not overlap', () => {
    for (let year = 1974; year < 2128; year++) {
      const ms = Date.UTC(year, 5)
      const texts = [`${ms / 1000}`, `${ms}`, `${ms}000`, `${ms}000000`]
      expect(texts.map(text => timeFromText(text))).toEqual([ms, ms, ms, ms])
    }
  })
})

describe('a time zone', () => {
  const local = (text: string, zone: string): string =>
    new Date(timeFromText(text, { zone: timeZoneOf(zone) })).toISOString()

  it.each([
    ['2018-08-31 09:30:00', 'UTC', '2018-08-31T09:30:00.000Z'],
    ['2018-08-31 09:30:00', '+02:00', '2018-08-31T07:30:00.000Z'],
    ['2018-08-31 09:30:00', '-0530', '2018-08-31T15:00:00.000Z'],
    ['2018-08-31 09:30:00', 'Europe/Berlin', '2018-08-31T07:30:00.000Z'],
    ['2018-01-31 09:30:00', 'Europe/Berlin', '2018-01-31T08:30:00.000Z'],
    ['2018-08-31 09:30:00', 'America/New_York', '2018-08-31T13:30:00.000Z'],
    ['2018-08-31', 'Asia/Kathmandu', '2018-08-30T18:15:00.000Z'],
    // 02:30 is shown twice when summer ends: the first.
    ['2018-10-28 02:30:00', 'Europe/Berlin', '2018-10-28T00:30:00.000Z'],
    ['2018-10-28 03:00:00', 'Europe/Berlin', '2018-10-28T02:00:00.000Z'],
    ['2018-03-25 01:59:59', 'Europe/Berlin', '2018-03-25T00:59:59.000Z'],
    ['2018-03-25 03:00:00', 'Europe/Berlin', '2018-03-25T01:00:00.000Z'],
    ['2018-04-01 02:15:00', 'Australia/Lord_Howe', '2018-03-31T15:45:00.000Z'],
  ])('%s in %s', (text, zone, expected) => {
    expect(local(text, zone)).toBe(expected)
  })

  it('a time that the clocks skip is refused', () => {
    expect(() => local('2018-03-25 02:30:00', 'Europe/Berlin')).toThrow('the clocks were put forward over it')
  })

  it('the zone of the time itself wins', () => {
    expect(local('2018-08-31 09:30:00Z', 'Europe/Berlin')).toBe('2018-08-31T09:30:00.000Z')
  })

  it.each(['', 'Berlin', 'Nowhere/City', '2', '+2', '+24:00', '+02:60', 'EuropeBerlin'])(
    '%j is none',
    text => {
      expect(timeZoneOf(text)).toBeUndefined()
    },
  )
})
