/**
 * Groups and what an assignor makes of them, as short texts: partitions are `orders:0,1 users:2`,
 * racks of a topic's partitions `east+west east`, topics of a member `orders users`.
 */

import type { TopicPartition } from '../../../src/model/names.js'
import type { Assignment, AssignmentInput } from '../../../src/protocol/assignors/assignor.js'
import { ASSIGNORS } from '../../../src/protocol/assignors/assignors.js'

export interface MemberText {
  readonly topics: string
  readonly owned?: string
  readonly generation?: number
  readonly instance?: string
  readonly rack?: string
}

export interface AssignorCase {
  readonly assignor: keyof typeof ASSIGNORS
  readonly topics: Readonly<Record<string, number>>
  readonly racks?: Readonly<Record<string, string>>
  readonly members: Readonly<Record<string, MemberText>>
  readonly result: Readonly<Record<string, string>>
}

const words = (text: string): string[] => (text === '' ? [] : text.split(' '))

export function partitionsOf(text: string): TopicPartition[] {
  return words(text).flatMap(word => {
    const [topic, numbers] = word.split(':') as [string, string]
    return numbers.split(',').map(partition => ({ topic, partition: Number(partition) }))
  })
}

/** As in the cases: the user data of `sticky` says the same as the fields. */
export function inputOf(given: Omit<AssignorCase, 'result'>): AssignmentInput {
  const { userData } = ASSIGNORS[given.assignor]
  const members = Object.entries(given.members).map(([memberId, member]) => {
    const { topics, owned = '', generation = -1, instance, rack } = member
    const ownedPartitions = partitionsOf(owned)
    const bytes = userData?.(ownedPartitions, generation)
    return {
      memberId,
      topics: words(topics),
      ownedPartitions,
      generationId: generation,
      ...(instance === undefined ? {} : { groupInstanceId: instance }),
      ...(rack === undefined ? {} : { rackId: rack }),
      ...(bytes === undefined ? {} : { userData: bytes }),
    }
  })
  const topics = Object.entries(given.topics).map(([topic, partitions]) => {
    const racks = given.racks?.[topic]?.split(' ').map(rack => (rack === '' ? [] : rack.split('+')))
    return [topic, racks === undefined ? { partitions } : { partitions, racks }] as const
  })
  return { topics: new Map(topics), members }
}

/** The same texts, by member id; partitions stand as the assignor has listed them. */
export function resultOf(assignment: Assignment): Record<string, string> {
  const ids = [...assignment.keys()].sort()
  return Object.fromEntries(ids.map(id => [id, textOf(assignment.get(id)!)]))
}

function textOf(partitions: readonly TopicPartition[]): string {
  let text = ''
  let last: string | undefined
  for (const { topic, partition } of partitions) {
    text += topic === last ? `,${partition}` : ` ${topic}:${partition}`
    last = topic
  }
  return text.trimStart()
}

export function assign(given: Omit<AssignorCase, 'result'>): Record<string, string> {
  return resultOf(ASSIGNORS[given.assignor].assign(inputOf(given)))
}
