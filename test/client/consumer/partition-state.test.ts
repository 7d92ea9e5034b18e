import { describe, expect, it } from 'vitest'
import {
  PartitionState,
  POSITION_STATES,
  type PositionState,
} from '../../../src/client/consumer/partition-state.js'

const STATES = Object.keys(POSITION_STATES) as PositionState[]

/** Where a position may go from each state. */
const WAYS: Readonly<Record<PositionState, readonly PositionState[]>> = {
  searching: ['ready', 'failed', 'lost'],
  ready: ['inQuestion', 'searching', 'failed'],
  inQuestion: ['ready', 'searching', 'failed'],
  failed: ['ready', 'searching', 'lost'],
  lost: ['searching', 'ready', 'failed'],
}

const error = new Error('the test says so')

/** How a state is come to, and how another one is gone to. */
const STEPS: Readonly<Record<PositionState, (state: PartitionState) => unknown>> = {
  searching: state => state.forgetPosition(),
  ready: state => state.moveTo(5),
  inQuestion: state => state.question(),
  failed: state => state.fail(error),
  lost: state => (state.state === 'failed' ? state.takeError() : state.lose()),
}

function stateIn(wanted: PositionState): PartitionState {
  const state = new PartitionState('orders', 0)
  if (wanted === 'inQuestion') state.moveTo(3)
  if (wanted !== 'searching') STEPS[wanted](state)
  return state
}

describe('the position of a partition', () => {
  const pairs = STATES.flatMap(from =>
    STATES.filter(to => to !== from).map(to => ({ from, to, may: WAYS[from].includes(to) ? 'may' : 'may not' })),
  )

  it.each(pairs)('a position $may change from $from to $to', ({ from, to, may }) => {
    const state = stateIn(from)
    expect(state.state).toBe(from)
    if (may === 'may') {
      STEPS[to](state)
      expect([state.state, state.error]).toEqual([to, to === 'failed' ? error : undefined])
    } else {
      expect(() => STEPS[to](state)).toThrow(/no step of the table|its position/)
      expect(state.state).toBe(from)
    }
  })

  it.each(STATES)('a position that is %s has the sought offset after a seek', from => {
    const state = stateIn(from)
    const { version } = state
    state.moveTo(7)
    expect([state.state, state.position, state.version]).toEqual(['ready', 7, version + 1])
  })

  it('a failed position is reported once, and keeps its last known offset', () => {
    const state = stateIn('ready')
    state.fail(error)
    expect([state.takeError(), state.takeError()]).toEqual([error, undefined])
    expect([state.state, state.position]).toEqual(['ready', 5])
  })

  it('only states with an offset have a known position', () => {
    expect(() => stateIn('ready').search()).toThrow('its position')
    expect(() => stateIn('searching').question()).toThrow(/table|position/)
    const failed = stateIn('failed')
    expect(failed.position).toBeUndefined()
  })

  it('a position does not go back below a delivered record, and takes each record once', () => {
    const state = stateIn('ready')
    state.advanceTo(9)
    state.delivered = 8
    expect(() => state.rewindTo(7)).toThrow('not below a delivered record')
    expect(() => state.advanceTo(6)).toThrow('taken once')
    state.rewindTo(8)
    expect([state.position, state.delivered]).toEqual([8, 8])
  })
})
