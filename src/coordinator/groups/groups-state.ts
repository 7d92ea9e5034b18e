/** The fold over one partition of `__consumer_offsets`. */

import type { JournalRecord } from '../fold/journal.js'
import type { Fold } from '../fold/state-machine.js'
import { readGroupRecord } from './group-journal.js'
import { Group } from './group.js'

export class GroupsState implements Fold {
  readonly #groups = new Map<string, Group>()

  get groups(): IterableIterator<Group> {
    return this.#groups.values()
  }
  get size(): number {
    return this.#groups.size
  }

  find(groupId: string): Group | undefined {
    return this.#groups.get(groupId)
  }

  replay(record: JournalRecord): void {
    const news = readGroupRecord(record)
    if (news === undefined) return
    const isNew = news.kind === 'offset' || news.kind === 'generation'
    const group = isNew ? this.#ensure(news.groupId) : this.#groups.get(news.groupId)
    if (group === undefined) return // of what is taken back here nothing is left
    if (news.kind === 'offset') group.keep(news.offset)
    else if (news.kind === 'noOffset') group.drop(news.topic, news.partition)
    else group.generation = news.kind === 'generation' ? news.value : undefined
    // A group is there until it is taken back itself, also without its last offset.
    const isOver = news.kind === 'noGeneration' && group.offsetCount === 0
    if (isOver) this.#groups.delete(news.groupId)
  }

  #ensure(groupId: string): Group {
    const known = this.#groups.get(groupId)
    if (known !== undefined) return known
    const group = new Group(groupId)
    this.#groups.set(groupId, group)
    return group
  }
}
