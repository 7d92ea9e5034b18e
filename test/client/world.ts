/** A cluster in memory with a clock that stands still, and a topic to read from. */

import { onTestFinished, vi } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Broker } from '../../src/broker/broker.js'
import type { Message } from '../../src/client/producer/messages.js'
import type { ClusterOptions } from '../../src/cluster/cluster-options.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { ApiName } from '../../src/protocol/api.js'

export interface World {
  readonly cluster: Cluster
  readonly clock: VirtualClock
  /** Writes values to a partition of orders, as one batch. */
  readonly write: (partition: number, ...values: string[]) => Promise<void>
  readonly writeMessages: (...messages: Message[]) => Promise<void>
}

export async function world(partitions = 1, options: ClusterOptions = {}): Promise<World> {
  const clock = new VirtualClock()
  const cluster = await Cluster.memory({ clock, random: seededRandom(7), ...options })
  onTestFinished(() => cluster.close())
  await cluster.admin.createTopic({ topic: 'orders', partitions })
  const producer = cluster.producer()
  const writeMessages = async (...messages: Message[]): Promise<void> => {
    await producer.send({ topic: 'orders', messages })
  }
  const write: World['write'] = (partition, ...values) =>
    writeMessages(...values.map(value => ({ partition, value })))
  return { cluster, clock, write, writeMessages }
}

/** The partitions 0 … count − 1 of orders. */
export const orders = (count = 1) =>
  Array.from({ length: count }, (_, partition) => ({ topic: 'orders', partition }))

/** Lets everything run that can run without time passing. */
export async function settle(clock: VirtualClock): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await clock.advance(0)
}

export async function isPending(promise: Promise<unknown>, clock: VirtualClock): Promise<boolean> {
  let isSettled = false
  const note = (): void => void (isSettled = true)
  promise.then(note, note)
  await settle(clock)
  return !isSettled
}

type Handle = typeof Broker.prototype.handle
type Interceptor = (api: ApiName, request: never, next: () => ReturnType<Handle>) => unknown

/** Lets a test see, delay or refuse what reaches the broker, until it ends or the test does. */
export function intercept(interceptor: Interceptor): () => void {
  const handle = Broker.prototype.handle
  const spy = vi.spyOn(Broker.prototype, 'handle')
  const end = (): void => void spy.mockRestore()
  onTestFinished(end)
  spy.mockImplementation(function (this: Broker, api, request, signal) {
    return interceptor(api, request as never, () =>
      handle.call(this, api, request as never, signal),
    ) as ReturnType<Handle>
  } as Handle)
  return end
}

/** How many requests of a kind reach the broker from now on. */
export function countRequests(api: ApiName): () => number {
  let count = 0
  intercept((each, _request, next) => {
    if (each === api) count++
    return next()
  })
  return () => count
}
