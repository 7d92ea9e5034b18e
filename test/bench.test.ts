/** What `npm run bench` measures is data: it names what exists, and each thing once. */

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

interface Row {
  readonly name: string
  readonly measure: string
  readonly unit: string
  readonly needs?: string
  readonly params: { readonly peer?: string }
}

interface Floor {
  readonly row: string
  readonly over?: string
  readonly atLeast?: number
  readonly atMost?: number
  readonly orTimes?: readonly [number, string]
}

interface Question {
  readonly name: string
  readonly rows: readonly Row[]
  readonly floors: readonly Floor[]
}

const BENCH = new URL('../bench/', import.meta.url)
const load = async <T>(file: string): Promise<T> => (await import(new URL(file, BENCH).href)) as T

const { planOf, sizesOf } = await load<{
  planOf(sizes: unknown): Question[]
  sizesOf(size: string): object
}>('plan.mjs')
const { judged } = await load<{
  judged(floor: object, rows: Map<string, object>, results: Map<string, object[]>): object
}>('parts/floors.mjs')

const SIZES = ['quick', 'short', 'long']
const questionsOf = (size: string): Question[] => planOf(sizesOf(size))
const repeated = (names: readonly string[]): string[] =>
  names.filter((name, index) => names.indexOf(name) !== index)

describe.each(SIZES)('the plan of the bench, size %s', size => {
  const questions = questionsOf(size)

  it(`questions and rows of a ${size} run have names of their own`, () => {
    expect(repeated(questions.map(({ name }) => name))).toEqual([])
    for (const { rows } of questions) expect(repeated(rows.map(({ name }) => name))).toEqual([])
  })

  it(`every row of a ${size} run has its measurement, and every peer its store`, () => {
    for (const { measure, params } of questions.flatMap(({ rows }) => rows)) {
      const file = fileURLToPath(new URL(`measure/${measure}.mjs`, BENCH))
      expect(existsSync(file), file).toBe(true)
      for (const value of Object.values(params)) expect(value, measure).not.toBeNaN()
    }
  })

  it(`every floor of a ${size} run is about rows of its question, with one bound`, () => {
    for (const { rows, floors } of questions) {
      const names = rows.map(({ name }) => name)
      for (const { row, over, orTimes, atLeast, atMost } of floors) {
        const named = [row, over, orTimes?.[1]].filter(name => name !== undefined)
        for (const name of named) expect(names).toContain(name)
        expect([atLeast, atMost].filter(bound => bound !== undefined)).toHaveLength(1)
      }
    }
  })
})

describe('a floor', () => {
  const rows = new Map([
    ['own', { unit: 'k/s' }],
    ['peer', { unit: 'k/s' }],
  ])
  const results = new Map([
    ['own', [60, 90, 200].map(count => ({ count, ms: 1, rssBytes: 7 }))],
    ['peer', [30, 30, 200].map(count => ({ count, ms: 1 }))],
  ])

  it('a ratio is the median of the ratios of each round', () => {
    const floor = { row: 'own', over: 'peer', atLeast: 2 }
    expect(judged(floor, rows, results)).toMatchObject({ value: 2, isReached: true, unit: '×' })
  })

  it('a floor that is missed is below, and one whose row was skipped is neither', () => {
    const missed = judged({ row: 'own', atLeast: 91 }, rows, results)
    expect(missed).toMatchObject({ value: 90, isReached: false })
    const skipped = judged({ row: 'own', over: 'absent', atLeast: 1 }, rows, results)
    expect(skipped).toMatchObject({ value: undefined, isReached: undefined })
  })

  it('an upper bound may be that many times another row', () => {
    const floor = { row: 'own', atMost: 10, orTimes: [4, 'peer'] }
    expect(judged(floor, rows, results)).toMatchObject({ bound: 120, isReached: true })
    const memory = judged({ row: 'own', by: 'rssBytes', atMost: 6 }, rows, results)
    expect(memory).toMatchObject({ value: 7, isReached: false })
  })
})
