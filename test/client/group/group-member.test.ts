import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../../src/model/errors.js'
import { isPending } from '../world.js'
import { memberWorld, stableMember } from './member-world.js'

const never = new AbortController().signal
const forSome = (): Promise<void> => new Promise(() => undefined)

describe('a member', () => {
  it('a member goes through its states to its partitions, and out of the group', async () => {
    const { member, clock, coordinator, host, steps } = await stableMember()
    await member.ready()
    await member.leave('the test ends', never)
    expect(steps).toEqual([
      'unjoined → preparing',
      'preparing → joining',
      'joining → syncing',
      'syncing → changingOver',
      'changingOver → stable',
      'stable → leaving',
      'leaving → unjoined',
    ])
    expect(coordinator.asked).toEqual(['JoinGroup', 'SyncGroup', 'Heartbeat', 'LeaveGroup'])
    expect(host.told).toEqual(['take', 'revoke'])
    expect(clock.pendingTimers).toBe(0)
  })

  it('a leaving member does not join, whatever asks for a rebalance', async () => {
    const { member, clock, coordinator, host, state } = await stableMember()
    let goOn = (): void => undefined
    host.onChange = () => new Promise(resolve => (goOn = resolve))
    const left = member.leave('the test ends', never)
    await clock.advance(0)
    host.onChange = () => Promise.resolve()
    coordinator.fateOf = api => (api === 'JoinGroup' ? 'held' : undefined)
    member.rejoin('there are other topics')
    await clock.advance(0)
    goOn()
    await left
    coordinator.release()
    await clock.advance(60_000)
    expect(coordinator.asked).toEqual(['JoinGroup', 'SyncGroup', 'Heartbeat', 'LeaveGroup'])
    expect(state()).toBe('unjoined')
  })

  it('a member that is told to leave twice revokes once', async () => {
    const { member, clock, coordinator, host } = await stableMember()
    let goOn = (): void => undefined
    host.onChange = () => new Promise(resolve => (goOn = resolve))
    const left = [member.leave('unsubscribed', never), member.leave('closed', never)]
    await clock.advance(0)
    goOn()
    await Promise.all(left)
    await member.leave('once more', never)
    expect(host.told).toEqual(['take', 'revoke'])
    expect(coordinator.asked.filter(api => api === 'LeaveGroup')).toHaveLength(1)
  })

  it('an obstacle of the last attempt is not reported for the next one', async () => {
    const { member, clock, coordinator } = memberWorld()
    coordinator.fateOf = () => 'COORDINATOR_NOT_AVAILABLE'
    member.rejoin('the first time')
    await clock.advance(1_000)
    await member.leave('unsubscribed', never)
    await clock.advance(120_000)
    coordinator.fateOf = () => 'held'
    member.rejoin('the second time')
    expect(await isPending(member.ready(), clock)).toBe(true)
  })

  it('a member that stays outside its group reports the obstacle', async () => {
    const { member, clock, coordinator } = memberWorld()
    coordinator.fateOf = () => 'COORDINATOR_NOT_AVAILABLE'
    member.rejoin('the test begins')
    const ready = member.ready().catch(({ code }: { readonly code: ErrorCode }) => code)
    await clock.advance(59_000)
    expect(await isPending(ready, clock)).toBe(true)
    await clock.advance(2_000)
    expect(await ready).toBe('COORDINATOR_NOT_AVAILABLE')
  })

  it('a member revokes its partitions, even if it was forgotten before it joined again', async () => {
    const { member, clock, coordinator, gate, host } = await stableMember()
    coordinator.fateOf = api => (api === 'Heartbeat' ? 'UNKNOWN_MEMBER_ID' : undefined)
    gate.handOut()
    member.rejoin('the test says so')
    await clock.advance(4_000) // it hears that it was forgotten while it waits for the record
    coordinator.fateOf = () => undefined
    void gate.pass()
    await clock.advance(0)
    await member.ready()
    host.told.length = 0
    member.rejoin('the test says so again')
    await clock.advance(0)
    expect(host.told).toEqual(['revoke', 'take'])
  })

  it.each(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'] as const)(
    'a member loses its partitions when a heartbeat is answered %s, and joins again',
    async code => {
      const { clock, coordinator, host, state } = await stableMember({ isEager: false })
      let isBad = true
      coordinator.fateOf = api => {
        if (api !== 'Heartbeat' || !isBad) return undefined
        isBad = false
        return code
      }
      await clock.advance(4_000)
      expect(host.told).toEqual(['take', 'lose', 'take'])
      expect(state()).toBe('stable')
    },
  )

  it('a member fails when a heartbeat is refused for good, and joins when told to', async () => {
    const { member, clock, coordinator, host, state } = await stableMember()
    coordinator.fateOf = api => (api === 'Heartbeat' ? 'GROUP_AUTHORIZATION_FAILED' : undefined)
    await clock.advance(4_000)
    expect(host.told).toEqual(['take', 'lose', 'failed: GROUP_AUTHORIZATION_FAILED'])
    await expect(member.ready()).rejects.toThrow('GROUP_AUTHORIZATION_FAILED')
    expect(state()).toBe('failed')
    coordinator.fateOf = () => undefined
    member.rejoin('subscribed anew')
    await member.ready()
    expect(state()).toBe('stable')
  })

  it('a member leaves if the application does not poll, and joins when it does', async () => {
    const { clock, host, gate, state, client } = await stableMember()
    host.onChange = forSome
    await clock.advance(13_000)
    expect([state(), client.identity.memberId]).toEqual(['tooSlow', ''])
    host.onChange = () => Promise.resolve()
    void gate.pass()
    await clock.advance(0)
    expect(state()).toBe('stable')
    expect(host.told).toEqual(['take', 'lose', 'take'])
  })

  it('a member pauses between rebalances that follow each other endlessly', async () => {
    const { member, clock, coordinator, warnings } = memberWorld()
    const joins = (): number => coordinator.asked.filter(api => api === 'JoinGroup').length
    coordinator.fateOf = api => (api === 'JoinGroup' ? 'REBALANCE_IN_PROGRESS' : undefined)
    member.rejoin('the test begins')
    await clock.advance(0)
    expect(joins()).toBe(51)
    coordinator.fateOf = api => (api === 'Heartbeat' ? 'REBALANCE_IN_PROGRESS' : undefined)
    await clock.advance(100)
    const before = joins()
    await clock.advance(20_000)
    expect(joins() - before).toBeGreaterThan(0)
    // Pauses of 0.8 to 1.2 s, longer than the gap that ends a streak.
    expect(joins() - before).toBeLessThanOrEqual(20 / 0.8 + 4)
    expect(warnings).toEqual([expect.stringMatching(/^group g rebalances again and again: .*RE/)])
  })

  it('a member rebalances without a pause after a while without rebalances', async () => {
    const { member, clock, coordinator } = memberWorld()
    const joins = (): number => coordinator.asked.filter(api => api === 'JoinGroup').length
    coordinator.fateOf = api => (api === 'JoinGroup' ? 'REBALANCE_IN_PROGRESS' : undefined)
    member.rejoin('the test begins')
    await clock.advance(0)
    coordinator.fateOf = () => undefined
    await clock.advance(10_000)
    expect(joins()).toBe(52)
    coordinator.fateOf = api => (api === 'JoinGroup' ? 'REBALANCE_IN_PROGRESS' : undefined)
    member.rejoin('the test says so')
    await clock.advance(0)
    expect(joins()).toBe(52 + 51)
  })
})
