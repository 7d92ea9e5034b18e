/**
 * All partitions of all topics in a row, all members in a circle: each partition goes to the next
 * member that wants its topic. Even when all want the same; as uneven as chance has it when not.
 */

import { compareMembers, emptyAssignment, wantedTopics } from './assignment.js'
import type { Assignment, AssignmentInput, Assignor } from './assignor.js'

export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  protocol: 'eager',
  assign,
}

function assign(input: AssignmentInput): Assignment {
  const circle = [...input.members].sort(compareMembers)
  const wants = circle.map(({ topics }) => new Set(topics))
  const assignment = emptyAssignment(circle)
  let turn = 0
  for (const topic of wantedTopics(input)) {
    const { partitions } = input.topics.get(topic)!
    for (let partition = 0; partition < partitions; partition++) {
      // Ends: a wanted topic is wanted by somebody.
      while (!wants[turn]!.has(topic)) turn = (turn + 1) % circle.length
      assignment.get(circle[turn]!.memberId)!.push({ topic, partition })
      turn = (turn + 1) % circle.length
    }
  }
  return assignment
}
