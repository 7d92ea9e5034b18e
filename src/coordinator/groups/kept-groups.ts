/* The durable state of the groups of one `__consumer_offsets` partition: a fold over records. */

import { partitionKey } from '../../model/names.js'
import type { GroupMetadataValue } from '../../protocol/messages/group-records.js'
import type { JournalRecord } from '../fold/journal.js'
import type { Fold } from '../fold/state-machine.js'
import { readGroupRecord, type CommittedOffset } from './group-journal.js'

/** One group: its last generation and its committed offsets. */
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
    const change = readGroupRecord(record)
    if (change === undefined) return
    const isNew = change.kind === 'offset' || change.kind === 'generation'
    const group = isNew ? this.#ensure(change.groupId) : this.#groups.get(change.groupId)
    if (group === undefined) return // a tombstone of a group that is not known
    if (change.kind === 'offset') group.keep(change.offset)
    else if (change.kind === 'noOffset') group.drop(change.topic, change.partition)
    else group.generation = change.kind === 'generation' ? change.value : undefined
    // A group exists until its own tombstone, even without its last offset.
    const isOver = change.kind === 'noGeneration' && group.offsetCount === 0
    if (isOver) this.#groups.delete(change.groupId)
  }

  #ensure(groupId: string): KeptGroup {
    const known = this.#groups.get(groupId)
    if (known !== undefined) return known
    const group = new KeptGroup(groupId)
    this.#groups.set(groupId, group)
    return group
  }
}
