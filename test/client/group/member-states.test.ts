import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { checkStep } from '../../../src/base/states.js'
import { MEMBER_STATES, type MemberState } from '../../../src/client/group/member-states.js'
import { PartlogError, type ErrorCode } from '../../../src/model/errors.js'
import { memberWorld, type Fate } from './member-world.js'

const STATES = Object.keys(MEMBER_STATES) as MemberState[]

const FAILING: MemberState[] = ['pausing', 'givingUp', 'preparing', 'leaving']
/** Where a member may go from each state. */
const WAYS: Readonly<Record<MemberState, readonly MemberState[]>> = {
  unjoined: ['preparing'],
  preparing: ['joining', 'pausing', 'tooSlow', 'givingUp', 'leaving'],
  joining: ['syncing', ...FAILING],
  syncing: ['changingOver', ...FAILING],
  changingOver: ['stable', 'tooSlow', ...FAILING],
  stable: ['preparing', 'tooSlow', 'givingUp', 'leaving'],
  pausing: ['preparing', 'leaving'],
  tooSlow: ['preparing', 'leaving'],
  givingUp: ['failed', 'preparing', 'leaving'],
  failed: ['preparing', 'leaving'],
  leaving: ['unjoined'],
}

const FATES: readonly Fate[] = [
  'REBALANCE_IN_PROGRESS',
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'COORDINATOR_NOT_AVAILABLE',
  'GROUP_AUTHORIZATION_FAILED',
  'held',
  'held',
]
const HOST_FAILURES: readonly ErrorCode[] = ['KAFKA_STORAGE_ERROR', 'REQUEST_TIMED_OUT']

/** A member, its coordinator and its application do whatever comes to mind; then it leaves. */
async function walk(seed: number): Promise<readonly string[]> {
  const { member, clock, coordinator, host, gate, steps, state } = memberWorld({
    isEager: seed % 2 === 0,
    seed,
  })
  const random = seededRandom(seed)
  const oneOf = <T>(list: readonly T[]): T => list[random.int(list.length)] as T
  coordinator.fateOf = () => (random.int(3) === 0 ? oneOf(FATES) : undefined)
  const busy: (() => void)[] = []
  host.onChange = async (what, signal) => {
    if (random.int(4) === 0) {
      await new Promise<void>(end => {
        busy.push(end)
        signal.addEventListener('abort', () => end())
        if (signal.aborted) end()
      })
    }
    if (what !== 'lose' && random.int(8) === 0) throw new PartlogError(oneOf(HOST_FAILURES), 'the application')
  }
  const left = (): Promise<void> => member.leave('the test says so', AbortSignal.abort())
  const actions: readonly (() => unknown)[] = [
    () => member.rejoin('the test says so'),
    () => member.rejoin('the test says so', { isHurried: true }),
    () => void member.ready().catch(() => undefined),
    () => void left(),
    () => coordinator.release(),
    () => void gate.pass(),
    () => gate.handOut(),
    () => (coordinator.assignment = [{ topic: 'orders', partition: random.int(3) }]),
    () => clock.advance(0),
    () => clock.advance(random.int(4_000)),
    () => clock.advance(11_000),
  ]
  for (let count = 0; count < 60; count++) {
    await oneOf(actions)()
    await clock.advance(0)
  }
  coordinator.fateOf = () => undefined
  host.onChange = () => Promise.resolve()
  coordinator.release()
  for (const end of busy) end()
  void gate.pass() // nothing is in hand any more
  await clock.advance(5_000)
  expect(['stable', 'unjoined', 'failed']).toContain(state())
  await left()
  await clock.advance(0)
  expect([state(), clock.pendingTimers]).toEqual(['unjoined', 0])
  return steps
}

describe("a member's states", () => {
  const pairs = STATES.flatMap(from =>
    STATES.map(to => ({ from, to, may: WAYS[from].includes(to) ? 'may' : 'may not' })),
  )

  it.each(pairs)('a member $may change from $from to $to', ({ from, to, may }) => {
    const step = (): void => checkStep(MEMBER_STATES, from, to)
    if (may === 'may') expect(step).not.toThrow()
    else expect(step).toThrow(`${from} → ${to}`)
  })

  it('a member takes all allowed steps between its states, and no others', async () => {
    const seen = new Set<string>()
    for (let seed = 1; seed <= 150; seed++) for (const step of await walk(seed)) seen.add(step)
    const allowed = pairs.filter(({ may }) => may === 'may')
    expect([...seen].sort()).toEqual(allowed.map(({ from, to }) => `${from} → ${to}`).sort())
  })
})
