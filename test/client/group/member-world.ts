/**
 * One member of a group, with a coordinator that is made of nothing but answers and an application
 * that takes its time: a test says what comes of each request and of each change of partitions.
 */

import { sleep } from '../../../src/base/clock.js'
import type { Logger } from '../../../src/base/logger.js'
import { seededRandom } from '../../../src/base/random.js'
import { Deferred } from '../../../src/base/tasks.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { GroupClient } from '../../../src/client/group/group-client.js'
import { GroupMember } from '../../../src/client/group/group-member.js'
import type { MemberHost } from '../../../src/client/group/group-membership.js'
import { MEMBER_OPTIONS } from '../../../src/client/group/member-config.js'
import { MEMBER_STATES, type MemberState } from '../../../src/client/group/member-states.js'
import { ReadingGate } from '../../../src/client/group/reading-gate.js'
import { clientSettings } from '../../../src/client/line/client-config.js'
import { MetadataCache } from '../../../src/client/line/metadata-cache.js'
import { errorId, PartlogError, type ErrorCode } from '../../../src/model/errors.js'
import type { TopicPartition } from '../../../src/model/names.js'
import type { ApiName, Request, Response } from '../../../src/protocol/api.js'
import { ASSIGNORS } from '../../../src/protocol/assignors/assignors.js'
import type { Channel } from '../../../src/protocol/channel.js'
import { encodeAssignment } from '../../../src/protocol/messages/consumer-protocol.js'

/** An error, an answer that is held until `release`, or what goes well (undefined). */
export type Fate = ErrorCode | 'held' | undefined

export class FakeCoordinator implements Channel {
  readonly asked: ApiName[] = []
  /** What comes of a request; all goes well by default. */
  fateOf: (api: ApiName) => Fate = () => undefined
  /** What the group gives this member. */
  assignment: TopicPartition[] = [{ topic: 'orders', partition: 0 }]
  #generationId = 0
  readonly #held: Deferred<void>[] = []

  constructor(readonly clock: VirtualClock) {}

  /** Gives the answers that were held. */
  release(): void {
    for (const held of this.#held.splice(0)) held.resolve()
  }

  async send<A extends ApiName>(
    _node: number,
    api: A,
    request: Request<A>,
    signal?: AbortSignal,
  ): Promise<Response<A>> {
    if (api === 'FindCoordinator') return this.#coordinators() as Response<A>
    this.asked.push(api)
    const fate = this.fateOf(api)
    if (fate === 'held') {
      const held = new Deferred<void>()
      this.#held.push(held)
      await held.promise
    } else if (api === 'Heartbeat' && fate === undefined) {
      const { maxWaitMs = 0 } = request as Request<'Heartbeat'>
      await sleep(this.clock, maxWaitMs, signal)
    }
    const errorCode = fate === undefined || fate === 'held' ? 0 : errorId(fate)
    return { errorCode, ...this.#answer(api, request as never) } as unknown as Response<A>
  }

  #coordinators() {
    const found = { key: 'g', nodeId: 1, host: '', port: 0, errorCode: 0, errorMessage: null }
    return { coordinators: [found] }
  }

  #answer(api: ApiName, { memberId }: { readonly memberId?: string }): object {
    if (api === 'JoinGroup') {
      const generation = { generationId: ++this.#generationId, protocolName: 'range' }
      return { ...generation, memberId: memberId || 'm', leader: 'another', members: [] }
    }
    if (api === 'SyncGroup') return { assignment: encodeAssignment(this.assignment) }
    return { members: [] }
  }
}

/** Partitions that come and go, as the application sees them. */
export class FakeHost implements MemberHost {
  readonly told: string[] = []
  /** What the application's listener does; nothing by default. */
  onChange: (what: string, signal: AbortSignal) => Promise<void> = () => Promise.resolve()
  #owned: TopicPartition[] = []

  topics = (): readonly string[] => ['orders']
  owned = (): TopicPartition[] => [...this.#owned]

  async revoke(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    await this.#tell('revoke', signal)
    this.#drop(partitions)
  }

  async lose(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    this.#drop(partitions)
    if (partitions.length > 0) await this.#tell('lose', signal)
  }

  async take(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    this.#owned.push(...partitions)
    await this.#tell('take', signal)
  }

  failed({ code }: PartlogError): void {
    this.told.push(`failed: ${code}`)
  }

  async #tell(what: string, signal: AbortSignal): Promise<void> {
    this.told.push(what)
    await this.onChange(what, signal)
  }

  #drop(partitions: readonly TopicPartition[]): void {
    this.#owned = this.#owned.filter(own => !partitions.some(p => p.partition === own.partition))
  }
}

export interface MemberWorld {
  readonly member: GroupMember
  readonly client: GroupClient
  readonly clock: VirtualClock
  readonly coordinator: FakeCoordinator
  readonly host: FakeHost
  readonly gate: ReadingGate
  /** The steps from one state to another, as the log tells them. */
  readonly steps: string[]
  /** The sentences of warnings. */
  readonly warnings: readonly string[]
  readonly state: () => MemberState
}

/** Its retries pause for 100 ms to 1 s, a call has 60 s, and it has to poll every 10 s. */
export function memberWorld(options: { readonly isEager?: boolean; readonly seed?: number } = {}) {
  const { isEager = true, seed = 1 } = options
  const clock = new VirtualClock()
  const coordinator = new FakeCoordinator(clock)
  const host = new FakeHost()
  const gate = new ReadingGate(clock)
  const random = seededRandom(seed)
  const given = { groupId: 'g', maxPollIntervalMs: 10_000 }
  const settings = clientSettings(MEMBER_OPTIONS, given, 'option')
  const { retryBackoffMs, retryBackoffMaxMs, defaultApiTimeoutMs: timeoutMs } = settings
  const client = new GroupClient({
    channel: coordinator,
    groupId: 'g',
    groupInstanceId: null,
    retry: { clock, random, timeoutMs, retryBackoffMs, retryBackoffMaxMs },
    owns: () => true,
    exists: () => Promise.resolve(true),
  })
  const steps: string[] = []
  let state: MemberState = 'unjoined'
  const nothing = (): void => undefined
  const debug = (sentence: string): void => {
    const [, from, to] = /was (\w+), is (\w+)/.exec(sentence) ?? []
    if (from === undefined || to === undefined || !(to in MEMBER_STATES)) return
    steps.push(`${from} → ${to}`)
    state = to as MemberState
  }
  const warnings: string[] = []
  const warn = (sentence: string): void => void warnings.push(sentence)
  const logger: Logger = { debug, info: nothing, warn, error: nothing }
  const member = new GroupMember({
    client,
    clock,
    random,
    logger,
    settings,
    assignors: [isEager ? ASSIGNORS.range : ASSIGNORS['cooperative-sticky']],
    metadata: new MetadataCache({ channel: coordinator, clock, maxAgeMs: 1e9, mayCreate: false }),
    gate,
    host,
  })
  const world = { member, client, clock, coordinator, host, gate, steps, warnings }
  return { ...world, state: () => state } satisfies MemberWorld
}

/** A member that has its partition. */
export async function stableMember(options: { readonly isEager?: boolean } = {}) {
  const world = memberWorld(options)
  world.member.rejoin('the test begins')
  await world.clock.advance(0)
  return world
}
