/**
 * What must be true of a cluster at every moment: looked at whenever it has come to rest between two
 * events, and at the moments when clients learn something.
 */

import type { ClusterView, PartitionView } from '../../src/cluster/describe.js'
import type { Sent, TopicFacts } from './history.js'

interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export class Invariants {
  /** The leader of each partition in each epoch. */
  readonly #leaders = new Map<string, number>()
  /** The highest epoch seen, by partition. */
  readonly #epochs = new Map<string, number>()
  /** The highest watermark seen, by partition. */
  readonly #watermarks = new Map<string, number>()
  /** Where each copy ended when it was seen last. */
  readonly #ends = new Map<string, number>()
  /** Sentences about what was wrong, each once. */
  readonly problems = new Set<string>()
  readonly #facts: ReadonlyMap<string, TopicFacts>

  constructor(topics: readonly TopicFacts[]) {
    this.#facts = new Map(topics.map(facts => [facts.topic, facts]))
  }

  look(view: ClusterView): void {
    for (const { topic, partitions } of view.topics) {
      // Topics that are made again begin with epoch 0 again.
      if (this.#facts.get(topic)?.isRemade === true) continue
      for (const partition of partitions) this.#lookAt(topic, partition)
    }
  }

  /** An acknowledged record is in as many copies as the topic asks for, as far as one can see. */
  acknowledged(view: ClusterView, { value, topic, partition, offset, acks }: Sent): void {
    const facts = this.#facts.get(topic)
    if (acks !== -1 || facts === undefined || facts.isRemade || facts.allowsUnclean) return
    const { copies = [] } = partitionOf(view, { topic, partition, offset }) ?? {}
    const without = copies.filter(({ broker, logEndOffset: end }) => {
      const known = end >= 0 ? end : this.#ends.get(`${topic}-${partition} ${broker}`)
      return known !== undefined && known <= offset
    })
    if (copies.length - without.length >= facts.minInSync) return
    const brokers = without.map(({ broker }) => broker)
    this.#wrong(
      `acks: ${value} was acknowledged in ${topic}-${partition} at ${offset}, it is not on ` +
        `${brokers}, although ${facts.minInSync} of ${copies.length} must have it`,
    )
  }

  /** Consumers are given what is committed. */
  read(describe: () => ClusterView, place: Place): void {
    const { topic, partition, offset } = place
    const name = `${topic}-${partition}`
    const seen = this.#watermarks.get(name) ?? 0
    if (offset < seen) return
    const facts = this.#facts.get(topic)
    if (facts === undefined || facts.isRemade || facts.allowsUnclean) return
    const { copies = [] } = partitionOf(describe(), place) ?? {}
    const highest = Math.max(seen, ...copies.map(({ highWatermark }) => highWatermark))
    if (offset < highest) return
    this.#wrong(`reads: ${offset} of ${name} was read, the high watermark is ${highest}`)
  }

  #lookAt(topic: string, view: PartitionView): void {
    const { partition, leader, leaderEpoch, replicas, isr, copies } = view
    const name = `${topic}-${partition}`
    const epoch = this.#epochs.get(name) ?? -1
    if (leaderEpoch < epoch) this.#wrong(`${name}: epoch ${leaderEpoch} after ${epoch}`)
    this.#epochs.set(name, leaderEpoch)
    const known = this.#leaders.get(`${name} ${leaderEpoch}`)
    if (leader >= 0) this.#leaders.set(`${name} ${leaderEpoch}`, leader)
    if (known !== undefined && leader >= 0 && known !== leader) {
      this.#wrong(`${name}: epoch ${leaderEpoch} has the leaders ${known} and ${leader}`)
    }
    if (leader >= 0 && !isr.includes(leader)) this.#wrong(`${name}: leader ${leader} is not in sync`)
    if (isr.length === 0) this.#wrong(`${name}: nothing is in sync`)
    if (isr.some(id => !replicas.includes(id))) this.#wrong(`${name}: ${isr} of ${replicas}`)
    let highest = this.#watermarks.get(name) ?? 0
    for (const copy of copies) {
      const { broker, logStartOffset: start, highWatermark, logEndOffset: end } = copy
      if (start < 0) continue
      highest = Math.max(highest, highWatermark)
      this.#ends.set(`${name} ${broker}`, end)
      const offsets = `${start} ${highWatermark} ${end}`
      if (highWatermark > end) this.#wrong(`${name} on ${broker}: watermark above end: ${offsets}`)
      if (start > end) this.#wrong(`${name} on ${broker}: start above end: ${offsets}`)
    }
    this.#watermarks.set(name, highest)
    this.#checkInSync(topic, view)
  }

  /** A replica in sync has all that is committed: it may lead at any moment. */
  #checkInSync(topic: string, { partition, leader, isr, copies }: PartitionView): void {
    if (this.#facts.get(topic)?.allowsUnclean === true) return
    const { highWatermark = -1 } = copies.find(({ broker }) => broker === leader) ?? {}
    for (const { broker, logEndOffset: end } of copies) {
      if (!isr.includes(broker) || end < 0 || end >= highWatermark) continue
      this.#wrong(
        `${topic}-${partition}: ${broker} is in sync and ends at ${end}, ` +
          `${highWatermark} is committed`,
      )
    }
  }

  #wrong(sentence: string): void {
    this.problems.add(sentence)
  }
}

function partitionOf(view: ClusterView, { topic, partition }: Place): PartitionView | undefined {
  return view.topics.find(each => each.topic === topic)?.partitions[partition]
}
