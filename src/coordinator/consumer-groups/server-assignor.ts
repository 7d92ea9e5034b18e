/* What an assignor of the coordinator is given, and what it gives. Pure. */

import type { PartitionSets } from './partition-sets.js'

export interface AssignableMember {
  readonly memberId: string
  readonly instanceId: string | null
  /** The ids of the topics that it subscribes to and that exist. */
  readonly topicIds: ReadonlySet<string>
  /** Its target before. */
  readonly target: PartitionSets
}

export interface AssignmentTask {
  readonly members: readonly AssignableMember[]
  /** The number of partitions of each topic, by id. */
  readonly partitionCounts: ReadonlyMap<string, number>
}

/** The targets of all members, by member id. Every partition of a topic with readers is in one. */
export type Targets = ReadonlyMap<string, PartitionSets>

export interface ServerAssignor {
  readonly name: string
  assign(task: AssignmentTask): Targets
}
