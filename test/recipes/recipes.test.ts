/** The recipes of the manual, word for word, killed at every moment. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ConsumerOptions } from '../../src/client/consumer/consumer-options.js'
import {
  crashed,
  type Application,
  type CrashOptions,
  type CrashResult,
  type Moment,
} from './crashing.js'

const MANUAL = readFileSync(join(import.meta.dirname, '../../src/README.md'), 'utf8')
const RECORDS = 10

type AsyncFunctionMaker = new (...text: string[]) => Application
const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor as AsyncFunctionMaker

/** What the manual says under this heading, as a function of a consumer and some work. */
function recipe(heading: string): Application {
  const found = MANUAL.split('```').find(code => code.startsWith(`js\n// ${heading}`))
  expect(found, `the manual has a recipe "${heading}"`).toBeDefined()
  return new AsyncFunction('consumer', 'work', (found as string).slice('js\n'.length))
}

/** Dies at the first moment, at the second … until it has outlived its work. */
async function everyDeath(options: Omit<CrashOptions, 'lives'>): Promise<CrashResult[]> {
  const results: CrashResult[] = []
  for (let lives = 0; ; lives++) {
    const result = await crashed({ ...options, lives })
    results.push(result)
    if (result.diedAt === undefined) return results
  }
}

/** Of each record, how often the work was done. */
function counts({ done }: CrashResult, records = RECORDS): number[] {
  return Array.from({ length: records }, (_, index) => done.get(String(index)) ?? 0)
}

const lostOf = (result: CrashResult): number => counts(result).filter(each => each === 0).length
const doubledOf = (result: CrashResult): number => counts(result).filter(each => each > 1).length
const most = (results: readonly CrashResult[], of: (result: CrashResult) => number): number =>
  Math.max(...results.map(of))

const manual: ConsumerOptions<'bytes', 'string'> = { enableAutoCommit: false }

describe('a recipe', () => {
  it('at most once: the current record may be lost, none is doubled', async () => {
    const results = await everyDeath({ app: recipe('at most once'), options: manual })
    expect(results).toHaveLength(4 * RECORDS + 1)
    expect(most(results, doubledOf)).toBe(0)
    for (const result of results) {
      const isBetween = result.diedAt === 'after commit' || result.diedAt === 'before work'
      expect(lostOf(result), result.diedAt).toBe(isBetween ? 1 : 0)
    }
  })

  it('at least once: no record is lost, all of a poll may be delivered again', async () => {
    const results = await everyDeath({ app: recipe('at least once'), options: manual })
    expect(results).toHaveLength(2 * RECORDS + 2 + 1)
    expect(most(results, lostOf)).toBe(0)
    const worst = results.find(({ diedAt }) => diedAt === 'before commit') as CrashResult
    expect(doubledOf(worst)).toBe(RECORDS)
    expect(most(results.slice(-2), doubledOf)).toBe(0) // it died behind its commit, or not at all
  })

  it('commit after each record: no record is lost, one may be delivered again', async () => {
    const results = await everyDeath({ app: recipe('after each record'), options: manual })
    expect(results).toHaveLength(4 * RECORDS + 1)
    expect(most(results, lostOf)).toBe(0)
    for (const result of results) {
      const isBetween = result.diedAt === 'after work' || result.diedAt === 'before commit'
      expect(doubledOf(result), result.diedAt).toBe(isBetween ? 1 : 0)
    }
  })
})

describe('work that throws at record 4 of 10', () => {
  const throwing = { lives: Infinity, workMs: 0 }

  it.each<[string, ConsumerOptions<'bytes', 'string'>, Application]>([
    ['a poll', manual, recipe('at least once')],
    ['a poll that commits by itself', {}, recipe('at least once')],
    [
      'a batch',
      {},
      (consumer, work) =>
        consumer.run({
          eachBatch: async ({ records }) => {
            for (const record of records) await work(record)
          },
        }),
    ],
  ])('gets all 10 of %s again', async (_, options, app) => {
    const seen: string[] = []
    const result = await crashed({
      ...throwing,
      options,
      app: async (consumer, work) => {
        const failing = app(consumer, async record => {
          seen.push(record.value ?? '')
          if (record.offset === 3) throw new Error('mine')
          await work(record)
        })
        await expect(failing).rejects.toThrow('mine')
        await consumer.close()
      },
    })
    expect(seen).toEqual(['0', '1', '2', '3'])
    expect(counts(result)).toEqual([2, 2, 2, 1, 1, 1, 1, 1, 1, 1])
  })

  it('eachRecord redelivers only the record whose work threw', async () => {
    const result = await crashed({
      ...throwing,
      app: async (consumer, work) => {
        const eachRecord: typeof work = async record => {
          await work(record)
          if (record.offset === 3) throw new Error('mine')
        }
        await expect(consumer.run({ eachRecord })).rejects.toThrow('mine')
        await consumer.close()
      },
    })
    expect(counts(result)).toEqual([1, 1, 1, 2, 1, 1, 1, 1, 1, 1])
  })
})

describe('automatic commits never pass a record that was not processed', () => {
  const ways: Record<string, Application> = {
    'for await': async (consumer, work) => {
      for await (const record of consumer) await work(record)
    },
    eachRecord: (consumer, work) => consumer.run({ eachRecord: work }),
    eachBatch: (consumer, work) =>
      consumer.run({
        eachBatch: async ({ records }) => {
          for (const record of records) await work(record)
        },
      }),
    poll: async (consumer, work) => {
      for (;;) for (const record of await consumer.poll()) await work(record)
    },
  }

  it.each(Object.entries(ways))('automatic commits pass no unprocessed record with %s, wherever it is killed', async (_, app) => {
    const results = await everyDeath({
      app,
      options: { autoCommitIntervalMs: 10, maxPollRecords: 4 },
      partitions: 2,
      records: RECORDS / 2,
      workMs: 7,
    })
    const moments = new Set<Moment | undefined>(results.map(({ diedAt }) => diedAt))
    expect(moments.size).toBe(5)
    expect(results.length).toBeGreaterThan(2 * RECORDS + 4)
    expect(most(results, lostOf)).toBe(0)
    expect(most(results, doubledOf)).toBeGreaterThan(0)
    expect(doubledOf(results.at(-1) as CrashResult)).toBe(0)
  })
})
