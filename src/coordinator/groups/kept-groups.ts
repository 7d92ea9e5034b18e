/*
 * The durable state of the groups of one `__consumer_offsets` partition: a fold over records.
 *
 * Offsets of an open transaction are kept apart until its end. When it is committed, each of them
 * counts unless a commit that came after it in the log has set another one (as in Kafka).
 */

import type { EndMarker } from '../../model/batch/control.js'
import { partitionKey } from '../../model/names.js'
import type { GroupMetadataValue } from '../../protocol/messages/group-records.js'
import { ConsumerGroup } from '../consumer-groups/consumer-group.js'
import type { JournalRecord } from '../fold/journal.js'
import type { Fold } from '../fold/state-machine.js'
import { readGroupRecord, type CommittedOffset, type GroupRecord } from './group-journal.js'

/** A committed offset, and which record of the log it came with. */
interface KeptOffset {
  readonly offset: CommittedOffset
  readonly order: number
}

/** An offset of an open transaction. */
interface PendingOffset extends KeptOffset {
  readonly groupId: string
}

/** One group: its committed offsets, and its members by one of the two protocols. */
export class KeptGroup {
  readonly #offsets = new Map<string, KeptOffset>()
  /** The last generation of the classic protocol; undefined when no member has ever joined. */
  generation: GroupMetadataValue | undefined
  /** Its state by the consumer protocol; undefined when no member has ever joined by that. */
  consumer: ConsumerGroup | undefined

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

type ConsumerChange = Extract<GroupRecord, { kind: 'consumer' }>

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
    if (change.kind === 'consumer') return this.#applyConsumer(change)
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
    if (change.kind === 'noGeneration') this.#forgetIfOver(group)
  }

  #applyConsumer({ groupId, record, isTombstone }: ConsumerChange): void {
    const group = isTombstone ? this.#groups.get(groupId) : this.#ensure(groupId)
    if (group === undefined) return // a tombstone of a group that is not known
    if (!isTombstone) group.consumer ??= new ConsumerGroup(groupId)
    group.consumer?.apply(record)
    if (record.kind !== 'group' || !isTombstone) return
    group.consumer = undefined
    this.#forgetIfOver(group)
  }

  #forgetIfOver({ groupId, offsetCount, generation, consumer }: KeptGroup): void {
    const isKept = offsetCount > 0 || generation !== undefined || consumer !== undefined
    if (!isKept) this.#groups.delete(groupId)
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
