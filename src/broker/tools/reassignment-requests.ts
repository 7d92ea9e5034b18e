/* ListPartitionReassignments (v0): replicas are never being moved, so there is none. */

import type { ListPartitionReassignmentsResponse } from '../../protocol/messages/reassignments.js'
import { NO_ERROR } from '../node/answer-errors.js'

export function listPartitionReassignments(): ListPartitionReassignmentsResponse {
  return { ...NO_ERROR, topics: [] }
}
