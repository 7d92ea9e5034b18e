/*
 * Goes through all partitions of all topics and gives each to the next member that subscribes to
 * its topic. Balanced if all members subscribe to the same topics; otherwise it may be uneven.
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
      // The loop ends: at least one member subscribes to the topic.
      while (!wants[turn]!.has(topic)) turn = (turn + 1) % circle.length
      assignment.get(circle[turn]!.memberId)!.push({ topic, partition })
      turn = (turn + 1) % circle.length
    }
  }
  return assignment
}
