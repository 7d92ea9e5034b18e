import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../src/base/assert.js'
import { BytesError } from '../../src/base/bytes.js'
import { ConfigError } from '../../src/base/options.js'
import {
  checkedConfig,
  errorId,
  errorOf,
  ERRORS,
  isPartlogError,
  PartlogError,
  toPartlogError,
  withUnknownOutcome,
  type ErrorCode,
} from '../../src/model/errors.js'

const CODES = Object.keys(ERRORS) as ErrorCode[]

describe('the table of errors', () => {
  it('each error code has its own number, which maps back to the code', () => {
    const ids = CODES.map(errorId)
    expect(new Set(ids).size).toBe(CODES.length)
    for (const code of CODES) expect(errorOf(errorId(code))).toBe(code)
  })

  // org.apache.kafka.common.protocol.Errors of Kafka 4.x: code and retriable.
  it.each([
    ['UNKNOWN_SERVER_ERROR', -1, false],
    ['NONE', 0, false],
    ['OFFSET_OUT_OF_RANGE', 1, false],
    ['CORRUPT_MESSAGE', 2, true],
    ['UNKNOWN_TOPIC_OR_PARTITION', 3, true],
    ['NOT_LEADER_OR_FOLLOWER', 6, true],
    ['REQUEST_TIMED_OUT', 7, true],
    ['MESSAGE_TOO_LARGE', 10, false],
    ['NETWORK_EXCEPTION', 13, true],
    ['COORDINATOR_NOT_AVAILABLE', 15, true],
    ['INVALID_TOPIC_EXCEPTION', 17, false],
    ['NOT_ENOUGH_REPLICAS', 19, true],
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 20, true],
    ['ILLEGAL_GENERATION', 22, false],
    ['UNKNOWN_MEMBER_ID', 25, false],
    ['TOPIC_ALREADY_EXISTS', 36, false],
    ['INVALID_CONFIG', 40, false],
    ['KAFKA_STORAGE_ERROR', 56, true],
    ['FENCED_LEADER_EPOCH', 74, true],
    ['UNSUPPORTED_COMPRESSION_TYPE', 76, false],
    ['INVALID_RECORD', 87, false],
    ['UNKNOWN_TOPIC_ID', 100, true],
  ] as const)("%s is Kafka's %i, retriable: %s", (code, id, retriable) => {
    expect([errorId(code), ERRORS[code].retriable]).toEqual([id, retriable])
  })

  it("partlog's own codes are below all of Kafka's", () => {
    const own = CODES.filter(code => errorId(code) <= -100)
    expect(own).toContain('LOCKED')
    expect(own).toContain('CORRUPT_LOG')
    expect(CODES.filter(code => errorId(code) < -1 && errorId(code) > -100)).toEqual([])
  })

  it('an unknown number becomes UNKNOWN_SERVER_ERROR', () => {
    expect([9999, -2, NaN].map(errorOf)).toEqual(Array(3).fill('UNKNOWN_SERVER_ERROR'))
  })
})

describe('a PartlogError', () => {
  it('a PartlogError has a code, a sentence and whether a retry may succeed', () => {
    const error = new PartlogError('REQUEST_TIMED_OUT', 'no answer in 30000 ms')
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'PartlogError',
      code: 'REQUEST_TIMED_OUT',
      message: 'REQUEST_TIMED_OUT: no answer in 30000 ms',
      retriable: true,
      outcomeUnknown: false,
    })
    expect('cause' in error).toBe(false)
    expect(new PartlogError('CLOSED', 'x').retriable).toBe(false)
  })

  it('a PartlogError carries its cause and whether the outcome is unknown', () => {
    const cause = new Error('EIO')
    const error = new PartlogError('LOG_OFFLINE', 'x', { cause, outcomeUnknown: true })
    expect(error.cause).toBe(cause)
    expect(error.outcomeUnknown).toBe(true)
  })

  it('a PartlogError is recognised by its name: there may be two copies of the class', () => {
    const foreign = Object.assign(new Error('CLOSED: x'), { name: 'PartlogError', code: 'CLOSED' })
    expect(isPartlogError(foreign)).toBe(true)
    expect(isPartlogError(foreign, 'CLOSED')).toBe(true)
    expect(isPartlogError(foreign, 'LOCKED')).toBe(false)
    for (const other of [
      new Error('x'),
      { name: 'PartlogError' },
      null,
      undefined,
      'PartlogError',
    ]) {
      expect(isPartlogError(other)).toBe(false)
    }
  })
})

describe('any thrown value', () => {
  it('a thrown PartlogError stays the same object', () => {
    const error = new PartlogError('CLOSED', 'x')
    expect(toPartlogError(error)).toBe(error)
  })

  it.each([
    [new ConfigError('option x'), 'INVALID_CONFIG', 'INVALID_CONFIG: option x'],
    [new BytesError('cut'), 'CORRUPT_MESSAGE', 'CORRUPT_MESSAGE: cut'],
    [
      new AssertionError('impossible'),
      'UNKNOWN_SERVER_ERROR',
      'UNKNOWN_SERVER_ERROR: assertion failed: impossible',
    ],
    [
      new TypeError('x is not a function'),
      'UNKNOWN_SERVER_ERROR',
      'UNKNOWN_SERVER_ERROR: unexpected error: x is not a function',
    ],
    ['a word', 'UNKNOWN_SERVER_ERROR', 'UNKNOWN_SERVER_ERROR: unexpected error: a word'],
    [undefined, 'UNKNOWN_SERVER_ERROR', 'UNKNOWN_SERVER_ERROR: unexpected error: undefined'],
  ])('a thrown %s becomes a PartlogError', (thrown, code, message) => {
    expect(toPartlogError(thrown)).toMatchObject({ name: 'PartlogError', code, message })
  })

  it('an unexpected thrown value is kept as the cause', () => {
    const cause = new TypeError('x')
    expect(toPartlogError(cause).cause).toBe(cause)
  })

  it('an error while reading options becomes INVALID_CONFIG', () => {
    expect(checkedConfig(() => 7)).toBe(7)
    const refuse = (): never => {
      throw new ConfigError('no')
    }
    expect(() => checkedConfig(refuse)).toThrow('INVALID_CONFIG: no')
  })
})

describe('an unknown outcome', () => {
  it('an unknown outcome is added to an error with the same code and sentence', () => {
    const error = new PartlogError('NETWORK_EXCEPTION', 'NETWORK_EXCEPTION: is a code')
    const unknown = withUnknownOutcome(error)
    expect(unknown).toMatchObject({
      code: 'NETWORK_EXCEPTION',
      message: error.message,
      retriable: true,
      outcomeUnknown: true,
      cause: error,
    })
    expect(withUnknownOutcome(unknown)).toBe(unknown)
    expect(error.outcomeUnknown).toBe(false)
  })
})
