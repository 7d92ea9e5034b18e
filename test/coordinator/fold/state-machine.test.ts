import { describe, expect, it } from 'vitest'
import { Deferred } from '../../../src/base/tasks.js'
import type { Journal, JournalRecord } from '../../../src/coordinator/fold/journal.js'
import {
  StateMachine,
  type Decision,
  type Fold,
} from '../../../src/coordinator/fold/state-machine.js'
import { PartlogError } from '../../../src/model/errors.js'
import { ArrayJournal } from './array-journal.js'

/** A sum: each record adds the number in its value. */
class Sum implements Fold {
  total = 0
  replay({ value }: JournalRecord): void {
    this.total += Number(Buffer.from(value as Uint8Array).toString())
  }
}

const record = (n: number): JournalRecord => ({ key: null, value: Buffer.from(String(n)) })
const add =
  (n: number) =>
  ({ total }: Sum): Decision<number> => ({ records: [record(n)], answer: total + n })
const look = ({ total }: Sum): Decision<number> => ({ records: [], answer: total })

/** A journal whose appends are committed when the test says so. */
class SlowJournal implements Journal {
  readonly records: JournalRecord[] = []
  readonly commits: Deferred<void>[] = []

  append(records: readonly JournalRecord[]): Promise<void> {
    this.records.push(...records)
    const commit = new Deferred<void>()
    this.commits.push(commit)
    return commit.promise
  }

  /** What the disk has no room for, if there is none. */
  stalled: PartlogError | undefined

  async settled(): Promise<void> {
    if (this.stalled !== undefined) throw this.stalled
  }

  async *read(): AsyncGenerator<JournalRecord> {
    yield* this.records
  }
}

/** Has the promise settled after all that can run has run? */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => void (settled = true)
  promise.then(note, note)
  for (let n = 0; n < 20; n++) await Promise.resolve()
  return settled
}

describe('a state machine', () => {
  it('a state machine replays the whole journal when it loads', async () => {
    const machine = await StateMachine.load(new ArrayJournal([record(1), record(2)]), new Sum())
    expect(machine.state.total).toBe(3)
  })

  it('a decision is appended, replayed and answered', async () => {
    const journal = new ArrayJournal()
    const machine = await StateMachine.load(journal, new Sum())
    expect(await machine.run(add(5))).toBe(5)
    expect(await machine.run(add(2))).toBe(7)
    expect(journal.records).toEqual([record(5), record(2)])
    const again = await StateMachine.load(journal, new Sum())
    expect(again.state.total).toBe(machine.state.total)
  })

  it('what follows the state machine sees committed records only, in their order', async () => {
    const journal = new SlowJournal()
    const machine = await StateMachine.load(journal, new Sum())
    const seen: string[] = []
    machine.follow(({ value }) => void seen.push(String(value)))
    const answers = [machine.run(add(1)), machine.run(add(2)), machine.run(add(3))]
    expect(machine.state.total).toBe(6)
    expect([await isSettled(Promise.race(answers)), seen]).toEqual([false, []])
    journal.commits[1]?.resolve()
    await answers[1]
    expect(seen).toEqual(['1', '2'])
    for (const commit of journal.commits) commit.resolve()
    await Promise.all(answers)
    expect(seen).toEqual(['1', '2', '3'])
  })

  it('records that a full disk held up are seen once they are committed', async () => {
    const journal = new SlowJournal()
    const machine = await StateMachine.load(journal, new Sum())
    const seen: string[] = []
    machine.follow(({ value }) => void seen.push(String(value)))
    const held = machine.run(add(1))
    journal.commits[0]?.reject(new PartlogError('KAFKA_STORAGE_ERROR', 'the disk is full'))
    await expect(held).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    expect(seen).toEqual([])
    expect(await machine.run(look)).toBe(1)
    expect(seen).toEqual(['1'])
  })

  it('each decision sees all decisions before it, even uncommitted ones', async () => {
    const journal = new SlowJournal()
    const machine = await StateMachine.load(journal, new Sum())
    const answers = [machine.run(add(1)), machine.run(add(2)), machine.run(add(3))]
    expect(machine.state.total).toBe(6)
    expect(await isSettled(Promise.race(answers))).toBe(false)
    for (const commit of journal.commits) commit.resolve()
    expect(await Promise.all(answers)).toEqual([1, 3, 6])
  })

  it('a decision without records is answered when all records it saw are committed', async () => {
    const journal = new SlowJournal()
    const machine = await StateMachine.load(journal, new Sum())
    const write = machine.run(add(1))
    const question = machine.run(look)
    expect(await isSettled(question)).toBe(false)
    journal.commits[0]?.resolve()
    expect([await write, await question]).toEqual([1, 1])
    expect(await machine.run(look)).toBe(1)
    expect(journal.commits).toHaveLength(1)
  })

  it('a decision that throws changes nothing', async () => {
    const journal = new ArrayJournal()
    const machine = await StateMachine.load(journal, new Sum())
    const refuse = (): Decision<number> => {
      throw new PartlogError('INVALID_REQUEST', 'no')
    }
    await expect(machine.run(refuse)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    expect([journal.records.length, machine.state.total]).toEqual([0, 0])
    expect(await machine.run(add(1))).toBe(1)
  })

  it('a journal that refuses an append at once changes nothing', async () => {
    const journal = new ArrayJournal()
    const machine = await StateMachine.load(journal, new Sum())
    const append = journal.append.bind(journal)
    journal.append = () => {
      throw new PartlogError('KAFKA_STORAGE_ERROR', 'the disk is full')
    }
    await expect(machine.run(add(1))).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    expect(machine.state.total).toBe(0)
    journal.append = append
    expect(await machine.run(add(2))).toBe(2)
  })

  it('a state machine refuses decisions after an append failed to commit', async () => {
    const journal = new SlowJournal()
    const machine = await StateMachine.load(journal, new Sum())
    const answers = [machine.run(add(1)), machine.run(add(2)), machine.run(look)]
    const outcomes = Promise.allSettled(answers)
    journal.commits[0]?.reject(new PartlogError('LOG_OFFLINE', 'a sync has failed'))
    journal.commits[1]?.reject(new Error('later'))
    const failed = { status: 'rejected', reason: { code: 'LOG_OFFLINE' } }
    expect(await outcomes).toMatchObject([failed, failed, failed])
    await expect(machine.run(look)).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    await expect(machine.run(add(4))).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    expect(journal.records).toHaveLength(2)
  })

  it('a state machine continues when a stalled append is committed later', async () => {
    const journal = new SlowJournal()
    const machine = await StateMachine.load(journal, new Sum())
    const stalled = new PartlogError('KAFKA_STORAGE_ERROR', 'no room', { outcomeUnknown: true })
    journal.stalled = stalled
    const first = machine.run(add(5))
    journal.commits[0]?.reject(stalled)
    await expect(first).rejects.toBe(stalled)
    await expect(machine.run(add(1))).rejects.toBe(stalled)
    await expect(machine.run(look)).rejects.toBe(stalled)
    expect(journal.records).toHaveLength(1)
    journal.stalled = undefined
    expect(await machine.run(look)).toBe(5)
    const second = machine.run(add(1))
    await Promise.resolve()
    await Promise.resolve()
    journal.commits[1]?.resolve()
    expect(await second).toBe(6)
  })
})
