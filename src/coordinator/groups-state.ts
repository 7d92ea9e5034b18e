/** The fold over one partition of `__consumer_offsets`. */

import { Group } from './group.js'
import { readGroupRecord } from './group-journal.js'
import type { JournalRecord } from './journal.js'
import type { Fold } from './state-machine.js'

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
    const group = this.#ensure(news.groupId)
    if (news.kind === 'offset') group.keep(news.offset)
    else if (news.kind === 'noOffset') group.drop(news.topic, news.partition)
    else group.generation = news.kind === 'generation' ? news.value : undefined
    if (group.generation === undefined && group.offsetCount === 0) {
      this.#groups.delete(news.groupId)
    }
  }

  #ensure(groupId: string): Group {
    const known = this.#groups.get(groupId)
    if (known !== undefined) return known
    const group = new Group(groupId)
    this.#groups.set(groupId, group)
    return group
  }
}
