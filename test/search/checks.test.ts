/** The checks of the search find what they are for: small histories, right and wrong. */

import { describe, expect, it } from 'vitest'
import { checkHistory } from './checkers.js'
import { History, type Change, type FinalLog, type Sent, type TopicFacts } from './history.js'
import { unexplained } from './linearizable.js'
import { topicModel } from './topic-model.js'

const topic = 't'
const made = { topic, act: 'make', partitions: 2, settings: {} } as const
const deleted = { topic, act: 'delete' } as const
const grown = (partitions: number) => ({ topic, act: 'grow', partitions }) as const
const counted = { topic, act: 'count' } as const

type What = typeof made | typeof deleted | typeof counted | ReturnType<typeof grown>

const call = (what: What, from: number, to: number, answer: string): Change =>
  ({ ...what, from, to, answer }) as Change

const wrong = (calls: readonly Change[], mayRepeat = false) =>
  unexplained(calls, topicModel(mayRepeat)).length

const ABSENT = 'UNKNOWN_TOPIC_OR_PARTITION'

describe('calls about a topic', () => {
  it.each<[string, Change[]]>([
    ['one after the other', [call(made, 1, 2, 'ok'), call(counted, 3, 4, '2')]],
    ['at once, in either order', [call(made, 1, 4, 'ok'), call(counted, 2, 3, ABSENT)]],
    [
      'an unknown one took effect later',
      [call(made, 1, Infinity, 'unknown'), call(counted, 2, 3, ABSENT), call(counted, 4, 5, '2')],
    ],
    ['an unknown one never did', [call(made, 1, Infinity, 'unknown'), call(counted, 9, 10, ABSENT)]],
    [
      'made again with other partitions',
      [
        call(made, 1, 2, 'ok'),
        call(grown(3), 3, 4, 'ok'),
        call(deleted, 5, 6, 'ok'),
        call(made, 7, 8, 'ok'),
        call(counted, 9, 10, '2'),
      ],
    ],
  ])('calls about a topic are explained: %s', (_, calls) => {
    expect(wrong(calls)).toBe(0)
  })

  it.each<[string, Change[]]>([
    ['made twice', [call(made, 1, 2, 'ok'), call(made, 3, 4, 'ok')]],
    ['lost', [call(made, 1, 2, 'ok'), call(counted, 3, 4, ABSENT)]],
    ['back', [call(made, 1, 2, 'ok'), call(deleted, 3, 4, 'ok'), call(counted, 5, 6, '2')]],
    [
      'seen, then not yet',
      [call(made, 1, 9, 'ok'), call(counted, 2, 3, '2'), call(counted, 4, 5, ABSENT)],
    ],
    ['shrunk', [call(made, 1, 2, 'ok'), call(grown(3), 3, 4, 'ok'), call(counted, 5, 6, '2')]],
  ])('calls about a topic are not explained: %s', (_, calls) => {
    expect(wrong(calls)).toBeGreaterThan(0)
  })

  it('a refusal may be the answer to a repetition only where answers are lost', () => {
    const calls = [call(made, 1, 2, 'TOPIC_ALREADY_EXISTS'), call(counted, 3, 4, '2')]
    expect([wrong(calls), wrong(calls, true)]).toEqual([2, 0])
  })
})

describe('a history', () => {
  const facts: TopicFacts = {
    topic,
    isCompacted: false,
    isTrimmed: true,
    allowsUnclean: false,
    isRemade: false,
    isRetained: true,
    minInSync: 1,
    batchBytesMax: Infinity,
  }
  const log: FinalLog = { topic, partition: 0, startOffset: 2, endOffset: 2, records: [] }

  const checked = (history: History, of: Partial<FinalLog> = {}) =>
    checkHistory({
      history,
      logs: [{ ...log, ...of }],
      topics: [facts],
      mayRepeat: true,
    }).map(problem => problem.slice(0, problem.indexOf(':')))

  const deletion = { topic, partition: 0, atMs: 0 }

  it('records are deleted up to the offset of the call, and stay deleted', () => {
    const history = new History()
    expect(checked(history)).toEqual(['deletionsAreAsked'])
    history.deletions.push({ ...deletion, offset: 2, start: 2 })
    expect(checked(history)).toEqual([])
    const kept = [0, 1].map(offset => ({ offset, key: null, value: `v${offset}` }))
    expect(checked(history, { startOffset: 0, records: kept })).toContain('deletionsAreAsked')
  })

  it('a send ends in the time it has, unless its process stood still', () => {
    const history = new History()
    history.deletions.push({ ...deletion, offset: 2, start: 2 })
    const sent: Sent = {
      sender: 'p1.1',
      topic,
      key: null,
      value: 'p1.1-0',
      acks: -1,
      isIdempotent: true,
      begun: 1,
      beganAtMs: 0,
      limitMs: 1_000,
      settledAtMs: 2_000,
      outcome: 'fail',
      error: 'REQUEST_TIMED_OUT',
      partition: -1,
      offset: -1,
      ackedAtMs: -1,
    }
    history.sent.push(sent)
    expect(checked(history)).toEqual(['sendsEnd'])
    history.disturbed.add('p1')
    expect(checked(history)).toEqual([])
  })
})
