/** One consumer group: what it has committed, and who is in it. */

import { partitionKey } from '../../model/names.js'
import type { GroupMetadataValue } from '../../protocol/messages/group-records.js'
import type { CommittedOffset } from './group-journal.js'

/** What the log says about a group. */
export class Group {
  readonly #offsets = new Map<string, CommittedOffset>()
  /** Its last generation; undefined when nobody has ever joined. */
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
