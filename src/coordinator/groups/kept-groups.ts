/*
 * The durable state of the groups of one `__consumer_offsets` partition: a fold over records.
 *
 * Offsets of an open transaction are kept apart until its end. When it is committed, each of them
 * counts unless a commit that came after it in the log has set another one (as in Kafka).
 */

import type { EndMarker } from '../../model/batch/control.js'
import { partitionKey } from '../../model/names.js'
import type { GroupMetadataValue } from '../../protocol/messages/group-records.js'
import type { JournalRecord } from '../fold/journal.js'
import type { Fold } from '../fold/state-machine.js'
import { readGroupRecord, type CommittedOffset } from './group-journal.js'

/** A committed offset, and which record of the log it came with. */
interface KeptOffset {
  readonly offset: CommittedOffset
  readonly order: number
}

/** An offset of an open transaction. */
interface PendingOffset extends KeptOffset {
  readonly groupId: string
}

/** One group: its last generation and its committed offsets. */
export class KeptGroup {
  readonly #offsets = new Map<string, KeptOffset>()
  /** undefined when no member has ever joined. */
  generation: GroupMetadataValue | undefined

  constructor(readonly groupId: string) {}

  get offsets(): CommittedOffset[] {
    return [...this.#offsets.values()].map(({ offset }) => offset)
  }
  get offsetCount(): number {
    return this.#offsets.size
  }

  offsetOf(topic: string, partition: number): CommittedOffset | undefined {
    return this.#offsets.get(partitionKey(topic, partition))?.offset
  }

  keep(offset: CommittedOffset, order: number): void {
    const key = partitionKey(offset.topic, offset.partition)
    if ((this.#offsets.get(key)?.order ?? 0) < order) this.#offsets.set(key, { offset, order })
  }

  drop(topic: string, partition: number): void {
    this.#offsets.delete(partitionKey(topic, partition))
  }
}

export class KeptGroups implements Fold {
  readonly #groups = new Map<string, KeptGroup>()
  /** Offsets of open transactions, by producer id, in the order of the log. */
  readonly #pending = new Map<number, PendingOffset[]>()
  #order = 0

  get groups(): IterableIterator<KeptGroup> {
    return this.#groups.values()
  }
  get size(): number {
    return this.#groups.size
  }

  find(groupId: string): KeptGroup | undefined {
    return this.#groups.get(groupId)
  }

  /** True if an open transaction commits an offset of the group for the partition. */
  isPending(groupId: string, topic: string, partition: number): boolean {
    return [...this.#pending.values()].flat().some(
      ({ groupId: of, offset }) =>
        of === groupId && offset.topic === topic && offset.partition === partition,
    )
  }

  replay(record: JournalRecord): void {
    if (record.end !== undefined) return this.#end(record.end)
    const change = readGroupRecord(record)
    if (change === undefined) return
    this.#order++
    if (record.transaction !== undefined && change.kind === 'offset') {
      this.#ensure(change.groupId)
      const pending = { groupId: change.groupId, offset: change.offset, order: this.#order }
      const { producerId } = record.transaction
      const list = this.#pending.get(producerId)
      if (list === undefined) this.#pending.set(producerId, [pending])
      else list.push(pending)
      return
    }
    const isNew = change.kind === 'offset' || change.kind === 'generation'
    const group = isNew ? this.#ensure(change.groupId) : this.#groups.get(change.groupId)
    if (group === undefined) return // a tombstone of a group that is not known
    if (change.kind === 'offset') group.keep(change.offset, this.#order)
    else if (change.kind === 'noOffset') group.drop(change.topic, change.partition)
    else group.generation = change.kind === 'generation' ? change.value : undefined
    // A group exists until its own tombstone, even without its last offset.
    const isOver = change.kind === 'noGeneration' && group.offsetCount === 0
    if (isOver) this.#groups.delete(change.groupId)
  }

  #end({ producerId, isCommit }: EndMarker): void {
    const offsets = this.#pending.get(producerId) ?? []
    this.#pending.delete(producerId)
    if (!isCommit) return
    for (const { groupId, offset, order } of offsets) this.#ensure(groupId).keep(offset, order)
  }

  #ensure(groupId: string): KeptGroup {
    const known = this.#groups.get(groupId)
    if (known !== undefined) return known
    const group = new KeptGroup(groupId)
    this.#groups.set(groupId, group)
    return group
  }
}
