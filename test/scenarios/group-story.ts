/** The life of consumer groups, written down: members that come and go, what each owns and reads. */

import { expect, onTestFinished } from 'vitest'
import { Deferred } from '../../src/base/tasks.js'
import type { Consumer } from '../../src/client/consumer/consumer-api.js'
import type { ConsumerOptions } from '../../src/client/consumer/consumer-options.js'
import type { Producer } from '../../src/client/producer/producer-api.js'
import type { ClusterOptions } from '../../src/cluster/cluster-options.js'
import type { Cluster } from '../../src/cluster/cluster.js'
import type { FaultApi } from '../../src/cluster/faults/faults.js'
import { isPartlogError } from '../../src/model/errors.js'
import { partitionsText, Story } from './story.js'

type Reader = Consumer<Uint8Array, string>

export interface JoinOptions {
  readonly group?: string
  readonly topics?: readonly string[] | RegExp
  readonly options?: Omit<ConsumerOptions<'bytes', 'string'>, 'groupId' | 'clientId'>
  /** It does not tell what it is given and gives back. Default: it tells. */
  readonly isQuiet?: boolean
}

/** All that a member says to its group. */
const SAYS: readonly FaultApi[] = [
  'heartbeat',
  'offsetCommit',
  'joinGroup',
  'syncGroup',
  'leaveGroup',
]
export const SESSION_MS = 6_000

export class GroupStory {
  readonly #members = new Map<string, Reader>()
  /** The record in hand is finished when this resolves. */
  readonly #busy = new Map<string, Deferred<void>>()
  readonly #producer: Producer

  private constructor(readonly story: Story) {
    this.#producer = story.cluster.producer()
    onTestFinished(() => story.cluster.faults.clear())
  }

  /** A cluster with one broker, and orders with so many partitions. */
  static async begin(partitions: number, options: ClusterOptions = {}): Promise<GroupStory> {
    const story = await Story.begin({ brokers: 1, ...options })
    await story.act(`topic orders with ${partitions} partitions`, () =>
      story.cluster.admin.createTopic({ topic: 'orders', partitions }),
    )
    return new GroupStory(story)
  }

  get cluster(): Cluster {
    return this.story.cluster
  }

  member(name: string): Reader {
    return this.#members.get(name) as Reader
  }

  /** A consumer joins under this name; what it comes to may take time. */
  async join(name: string, join: JoinOptions = {}): Promise<void> {
    const { group = 'g', options } = join
    const consumer = this.cluster.consumer({
      groupId: group,
      clientId: name,
      sessionTimeoutMs: SESSION_MS,
      autoOffsetReset: 'earliest',
      valueDeserializer: 'string',
      ...options,
    } as const)
    this.#members.set(name, consumer)
    await this.story.act(`${name} joins`, () => this.#subscribe(name, join))
  }

  /** It reads something else from now on. */
  async subscribe(name: string, topics: readonly string[]): Promise<void> {
    await this.story.act(`${name} subscribes to ${topics.join(', ')}`, () =>
      this.#subscribe(name, { topics, isQuiet: true }),
    )
  }

  #subscribe(name: string, { topics = ['orders'], isQuiet = false }: JoinOptions): void {
    const tell = (what: string) => (partitions: Parameters<typeof partitionsText>[0]) => {
      if (partitions.length > 0) this.story.note(`${name} ${what} ${partitionsText(partitions)}`)
    }
    const listeners = {
      onPartitionsAssigned: tell('gets'),
      onPartitionsRevoked: tell('gives back'),
      onPartitionsLost: tell('has lost'),
    }
    const joined = this.member(name).subscribe(topics, isQuiet ? {} : listeners)
    joined.catch((error: unknown) => this.story.note(`${name}: ${codeOf(error)}`))
  }

  async leave(name: string): Promise<void> {
    await this.story.act(`${name} closes`, () => this.member(name).close())
    this.#members.delete(name)
  }

  /** Nothing is heard of it any more; it may not know that itself. */
  async silence(name: string, what: string): Promise<void> {
    await this.story.act(what, () => {
      for (const api of SAYS) this.cluster.faults.on(api, { client: name }).drop().always()
    })
  }

  async write(...values: readonly (readonly [partition: number, value: string])[]): Promise<void> {
    const text = values.map(([partition, value]) => `${value} to ${partition}`).join(', ')
    const messages = values.map(([partition, value]) => ({ partition, value }))
    await this.story.act(`write ${text}`, () => this.#producer.send({ topic: 'orders', messages }))
  }

  /** From now on each member tells the records it reads. */
  async read(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      const eachRecord: Handler = async ({ partition, value }) => {
        const busy = this.#busy.get(name)
        const verb = busy === undefined ? 'reads' : 'begins with'
        this.story.note(`${name} ${verb} ${value} of ${partition}`)
        await busy?.promise
      }
      const run = this.member(name).run({ eachRecord })
      run.catch((error: unknown) => this.story.note(`${name}: ${codeOf(error)}`))
    }
    await this.story.settle()
  }

  /** It will take its time with the next record. */
  makeBusy(name: string): void {
    this.#busy.set(name, new Deferred<void>())
  }

  async finish(name: string): Promise<void> {
    await this.story.act(`${name} finishes what it has in hand`, () => {
      this.#busy.get(name)?.resolve()
      this.#busy.delete(name)
    })
  }

  /** The owner of each partition; a partition of a group has one owner. */
  shares(...names: readonly string[]): void {
    const owned = names.map(name => partitionsText(this.member(name).assignment()))
    const all = owned.flatMap(text => text.split(' ')).filter(text => text !== 'nothing')
    expect(new Set(all).size).toBe(all.length)
    this.story.note(names.map((name, index) => `${name}: ${owned[index]}`).join(' | '))
  }
}

type Handler = (record: { partition: number; value: string | null }) => Promise<void>

function codeOf(error: unknown): string {
  return isPartlogError(error) ? error.code : String(error)
}
