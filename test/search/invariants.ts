/**
 * What must be true of a cluster at every moment: looked at whenever it has come to rest between two
 * events.
 */

import type { ClusterView, PartitionView } from '../../src/cluster/describe.js'

export class Invariants {
  /** The leader of each partition in each epoch. */
  readonly #leaders = new Map<string, number>()
  /** The highest epoch seen, by partition. */
  readonly #epochs = new Map<string, number>()
  /** Sentences about what was wrong, each once. */
  readonly problems = new Set<string>()

  /** Topics that are made again begin with epoch 0 again. */
  readonly #remade: ReadonlySet<string>

  constructor(remade: Iterable<string>) {
    this.#remade = new Set(remade)
  }

  look(view: ClusterView): void {
    for (const { topic, partitions } of view.topics) {
      if (this.#remade.has(topic)) continue
      for (const partition of partitions) this.#lookAt(`${topic}-${partition.partition}`, partition)
    }
  }

  #lookAt(name: string, { leader, leaderEpoch, replicas, isr, copies }: PartitionView): void {
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
    for (const copy of copies) {
      const { broker, logStartOffset: start, highWatermark, logEndOffset: end } = copy
      if (start < 0) continue
      const offsets = `${start} ${highWatermark} ${end}`
      if (highWatermark > end) this.#wrong(`${name} on ${broker}: watermark above end: ${offsets}`)
      if (start > end) this.#wrong(`${name} on ${broker}: start above end: ${offsets}`)
    }
  }

  #wrong(sentence: string): void {
    this.problems.add(sentence)
  }
}
