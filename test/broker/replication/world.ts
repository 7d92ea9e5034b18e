/** Nodes on a network: some that only note what they are asked, and a real broker. */

import { onTestFinished, vi } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { Deferred } from '../../../src/base/tasks.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { Broker } from '../../../src/broker/broker.js'
import { Cluster } from '../../../src/cluster/cluster.js'
import { FaultRules } from '../../../src/cluster/faults/faults.js'
import { CLIENT } from '../../../src/cluster/network/network-rules.js'
import { Network, type NodeHandle } from '../../../src/cluster/network/network.js'
import type { PartlogError } from '../../../src/model/errors.js'
import type { ApiName, Response } from '../../../src/protocol/api.js'
import type { Channel } from '../../../src/protocol/channel.js'

/** The id of a topic named in faults. */
export const ORDERS_ID = 'b3JkZXJzb3JkZXJzb3JkZQ'

export interface Wires {
  readonly clock: VirtualClock
  readonly faults: FaultRules
  readonly network: Network
  /** The channel of a client. */
  readonly client: Channel
}

export function wires(): Wires {
  const clock = new VirtualClock()
  const faults = new FaultRules(topic => (topic === 'orders' ? ORDERS_ID : undefined))
  const network = new Network({ clock, faults, random: seededRandom(7) })
  return { clock, faults, network, client: network.channelFrom(CLIENT, 'tester') }
}

/** A node that notes what it is asked, and answers at once or when it is told. */
export class TestNode {
  /** The groups that were named, or the name of another request. */
  readonly asked: string[] = []
  readonly senders: number[] = []
  /** Answers wait for `answer` while this is true. */
  isHolding = false
  readonly #held: Deferred<Response<ApiName>>[] = []

  constructor(
    readonly network: Network,
    readonly nodeId: number,
  ) {
    this.attach()
  }

  attach(): void {
    const handle = (api: ApiName, request: unknown, _: unknown, from: number): unknown => {
      const { groupId } = request as { groupId?: string }
      this.asked.push(groupId ?? api)
      this.senders.push(from)
      if (!this.isHolding) return DONE
      const held = new Deferred<Response<ApiName>>()
      this.#held.push(held)
      return held.promise
    }
    this.network.attach(this.nodeId, handle as NodeHandle)
  }

  answer(): void {
    for (const held of this.#held.splice(0)) held.resolve(DONE)
  }
}

/** The answer of every test node. */
export const DONE = { errorCode: 0, members: [], groups: [] }

/** Asks a node with a request that carries a mark; a throw is a rejection as well. */
export async function ask(channel: Channel, nodeId: number, mark: string): Promise<unknown> {
  return await channel.send(nodeId, 'LeaveGroup', { groupId: mark, members: [] })
}

/** The error of a call that must fail. */
export async function errorOf(call: Promise<unknown>): Promise<PartlogError> {
  return await call.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => error as PartlogError,
  )
}

/** Notes in `order` when a call settles. */
export function note(order: string[], mark: string, call: Promise<unknown>): void {
  call.then(
    () => order.push(mark),
    (error: PartlogError) => order.push(`${mark}: ${error.code}`),
  )
}

export interface BrokerWorld extends Wires {
  readonly cluster: Cluster
  /** What was handled by the broker, which is number 1. */
  readonly handled: ApiName[]
  /** How many records each partition of orders has. */
  readonly ends: () => Promise<(number | null)[]>
}

/** A real broker on the network, with the topic orders. */
export async function brokerWorld(partitions = 2): Promise<BrokerWorld> {
  const world = wires()
  const open = vi.spyOn(Broker, 'open')
  const cluster = await Cluster.memory({ clock: world.clock, durability: 'process' })
  const broker = await (open.mock.results[0]?.value as Promise<Broker>)
  open.mockRestore()
  onTestFinished(() => cluster.close())
  await cluster.admin.createTopic({ topic: 'orders', partitions })
  const handled: ApiName[] = []
  world.network.attach(1, (api, request, signal) => {
    handled.push(api)
    return broker.handle(api, request, signal)
  })
  const ends: BrokerWorld['ends'] = async () =>
    (await cluster.admin.listOffsets('orders')).map(({ offset }) => offset)
  return { ...world, cluster, handled, ends }
}
