/** Times in formats of the user's. */

import { describe, expect, it } from 'vitest'
import { TimeFormat } from '../../../src/events/text/time-format.js'
import { readTime, UTC } from '../../../src/events/text/time-text.js'

const iso = (text: string, format: string, year?: number): string =>
  new Date(readTime(text, { format: new TimeFormat(format), zone: UTC, year }).ms).toISOString()

describe('a format of times', () => {
  it.each([
    ['17/May/2015:10:05:03 +0200', '%d/%b/%Y:%H:%M:%S %z', '2015-05-17T08:05:03.000Z'],
    ['2005-06-03-15.42.50.675872', '%Y-%m-%d-%H.%M.%S.%f', '2005-06-03T15:42:50.675Z'],
    ['Sun Dec 04 04:47:44 2005', '%a %b %d %H:%M:%S %Y', '2005-12-04T04:47:44.000Z'],
    ['Sun Dec  4 04:47:44 2005', '%a %b %e %T %Y', '2005-12-04T04:47:44.000Z'],
    ['081109 203615', '%y%m%d %H%M%S', '2008-11-09T20:36:15.000Z'],
    ['12/31/1999 12:05 AM', '%m/%d/%Y %I:%M %p', '1999-12-31T00:05:00.000Z'],
    ['12/31/1999 12:05 pm', '%m/%d/%Y %I:%M %p', '1999-12-31T12:05:00.000Z'],
    ['2016-060', '%Y-%j', '2016-02-29T00:00:00.000Z'],
    ['1454241600.25', '%s.%f', '2016-01-31T12:00:00.250Z'],
    ['100%', '%s%%', '1970-01-01T00:01:40.000Z'],
  ])('%s as %s', (text, format, expected) => {
    expect(iso(text, format)).toBe(expected)
  })

  it('a year that is missing is given, or refused', () => {
    expect(() => iso('Jun 14 15:16:01', '%b %d %H:%M:%S')).toThrow('it has no year: add --year N')
    expect(iso('Jun 14 15:16:01', '%b %d %H:%M:%S', 2005)).toBe('2005-06-14T15:16:01.000Z')
  })

  it.each([
    ['2015-02-30', '%Y-%m-%d', 'this day or time of day does not exist'],
    ['2015-366', '%Y-%j', 'this day or time of day does not exist'],
    ['13:00 AM 2015', '%I:%M %p %Y', 'expected a time in the format %I:%M %p %Y'],
    ['2015-02-03x', '%Y-%m-%d', 'expected a time in the format %Y-%m-%d'],
    ['0'.repeat(2000), '%s', 'expected a time in the format %s'],
  ])('%s is not %s', (text, format, sentence) => {
    expect(() => iso(text, format)).toThrow(sentence)
  })

  it.each([['%q', '%q is not known'], ['x', 'no letter'], ['%Y%', '% is not known']])(
    'the format %s is refused',
    (format, sentence) => {
      expect(() => new TimeFormat(format)).toThrow(sentence)
    },
  )
})
