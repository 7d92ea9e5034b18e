import { describe, expect, it } from 'vitest'
import { isPartlogError } from '../../src/model/errors.js'
import { namePattern } from '../../src/model/name-patterns.js'

const matches = (text: string, name: string): boolean => namePattern(text, 'pattern').test(name)

describe('expressions for names', () => {
  it('match whole names', () => {
    expect(matches('or.*', 'orders')).toBe(true)
    expect(matches('or', 'orders')).toBe(false)
    expect(matches('a|b', 'ab')).toBe(false)
    expect(matches('(?P<word>[a-z]+)-\\d{2,3}', 'orders-12')).toBe(true)
    expect(matches('(?:a|b)+', 'abba')).toBe(true)
  })

  it.each([
    ...['(', '[a', 'a**', '(?=x)x', '(?!x)y', '(?<=a)b', '(?<!a)b', '(a)\\1', '(?P<n>a)\\k<n>'],
    ...['(a+)+', '(a*)*b', '((ab)*c*){2,}', '(.{1,9})+', 'x'.repeat(257)],
  ])('%s is refused', text => {
    let refusal: unknown
    try {
      namePattern(text, 'pattern')
    } catch (error) {
      refusal = error
    }
    expect(isPartlogError(refusal, 'INVALID_REGULAR_EXPRESSION')).toBe(true)
  })
})
