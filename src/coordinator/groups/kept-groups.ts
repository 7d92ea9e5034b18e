/** What one partition of `__consumer_offsets` says of its groups: the fold over its records. */

import { partitionKey } from '../../model/names.js'
import type { GroupMetadataValue } from '../../protocol/messages/group-records.js'
import type { JournalRecord } from '../fold/journal.js'
import type { Fold } from '../fold/state-machine.js'
import { readGroupRecord, type CommittedOffset } from './group-journal.js'

/** One group: its last generation, and what it has committed. */
export class KeptGroup {
  readonly #offsets = new Map<string, CommittedOffset>()
  /** undefined when no member has ever joined. */
  generation: GroupMetadataValue | undefined

  constructor(readonly groupId: string) {}

  get offsets(): IterableIterator<CommittedOffset> {
    return this.#offsets.values()
  }
  get offsetCount(): number {
    return this.#offsets.size
  }

  offsetOf(topic: string, partition: number): CommittedOffset | undefined {
    return this.#offsets.get(partitionKey(topic, partition))
  }

  keep(offset: CommittedOffset): void {
    this.#offsets.set(partitionKey(offset.topic, offset.partition), offset)
  }

  drop(topic: string, partition: number): void {
    this.#offsets.delete(partitionKey(topic, partition))
  }
}

export class KeptGroups implements Fold {
  readonly #groups = new Map<string, KeptGroup>()

  get groups(): IterableIterator<KeptGroup> {
    return this.#groups.values()
  }
  get size(): number {
    return this.#groups.size
  }

  find(groupId: string): KeptGroup | undefined {
    return this.#groups.get(groupId)
  }

  replay(record: JournalRecord): void {
    const news = readGroupRecord(record)
    if (news === undefined) return
    const isNew = news.kind === 'offset' || news.kind === 'generation'
    const group = isNew ? this.#ensure(news.groupId) : this.#groups.get(news.groupId)
    if (group === undefined) return // nothing is left of what is taken back here
    if (news.kind === 'offset') group.keep(news.offset)
    else if (news.kind === 'noOffset') group.drop(news.topic, news.partition)
    else group.generation = news.kind === 'generation' ? news.value : undefined
    // A group is there until it is taken back itself, also without its last offset.
    const isOver = news.kind === 'noGeneration' && group.offsetCount === 0
    if (isOver) this.#groups.delete(news.groupId)
  }

  #ensure(groupId: string): KeptGroup {
    const known = this.#groups.get(groupId)
    if (known !== undefined) return known
    const group = new KeptGroup(groupId)
    this.#groups.set(groupId, group)
    return group
  }
}
