import { describe, expect, it } from 'vitest'
import { Alarm, within } from '../../src/base/alarm.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'

function withAlarm() {
  const clock = new VirtualClock()
  const rung: number[] = []
  const alarm = new Alarm(clock, () => rung.push(clock.monotonicMs()))
  const beganMs = clock.monotonicMs()
  return { clock, alarm, rungAfter: () => rung.map(ms => ms - beganMs) }
}

describe('an alarm', () => {
  it('an alarm rings once, at the time it was last set to', async () => {
    const { clock, alarm, rungAfter } = withAlarm()
    alarm.set(10)
    alarm.set(30)
    expect(alarm.isSet).toBe(true)
    await clock.advance(100)
    expect([rungAfter(), alarm.isSet, clock.pendingTimers]).toEqual([[30], false, 0])
  })

  it('setEarlier keeps the earlier of two times', async () => {
    const { clock, alarm, rungAfter } = withAlarm()
    alarm.setEarlier(20)
    alarm.setEarlier(50)
    alarm.setEarlier(10)
    await clock.advance(100)
    alarm.setEarlier(5)
    await clock.advance(100)
    expect(rungAfter()).toEqual([10, 105])
  })

  it('ringBy keeps the earlier of two moments', async () => {
    const { clock, alarm, rungAfter } = withAlarm()
    const beganMs = clock.monotonicMs()
    alarm.ringBy(beganMs + 20)
    alarm.ringBy(beganMs + 50)
    alarm.ringBy(beganMs + 10)
    await clock.advance(100)
    expect(rungAfter()).toEqual([10])
  })

  it('an alarm that was cancelled or set to Infinity neither rings nor keeps a timer', async () => {
    const { clock, alarm, rungAfter } = withAlarm()
    alarm.set(10)
    alarm.cancel()
    alarm.set(10)
    alarm.set(Infinity)
    expect([alarm.isSet, clock.pendingTimers]).toEqual([false, 0])
    await clock.advance(100)
    expect(rungAfter()).toEqual([])
  })

  it('an alarm can be set again while it rings', async () => {
    const clock = new VirtualClock()
    let count = 0
    const alarm = new Alarm(clock, () => {
      if (++count < 3) alarm.set(10)
    })
    alarm.set(10)
    await clock.advance(100)
    expect(count).toBe(3)
  })
})

describe('work within a time', () => {
  it('within settles as its work does and leaves no timer', async () => {
    const clock = new VirtualClock()
    const late = (): Error => new Error('late')
    await expect(within(clock, 10, Promise.resolve(5), late)).resolves.toBe(5)
    await expect(within(clock, 10, Promise.reject(new Error('its own')), late)).rejects.toThrow(
      'its own',
    )
    expect(clock.pendingTimers).toBe(0)
  })

  it('within rejects with the late error when its work takes longer', async () => {
    const clock = new VirtualClock()
    const never = new Promise<void>(() => undefined)
    const waiting = expect(within(clock, 10, never, () => new Error('late'))).rejects.toThrow('late')
    await clock.advance(10)
    await waiting
  })
})
