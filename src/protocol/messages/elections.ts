/* ElectLeaders: elects the preferred leader, or any live replica. */

import {
  array,
  int32,
  int8,
  message,
  nullableArray,
  since,
  struct,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage, partitionIndex, topicName } from './message-places.js'

const RANGE = { versions: [0, 2], flexibleSince: 2 } as const

export const ELECTION_TYPE = { preferred: 0, unclean: 1 } as const

export const electLeadersRequest = message('ElectLeadersRequest', RANGE, {
  electionType: since(1, int8, ELECTION_TYPE.preferred),
  /** null: all partitions. */
  topicPartitions: nullableArray(struct({ topic: topicName, partitions: array(int32) })),
  timeoutMs: int32,
})

export const electLeadersResponse = message('ElectLeadersResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  errorCode: since(1, errorCode, 0),
  replicaElectionResults: array(
    struct({
      topic: topicName,
      partitionResult: array(
        struct({ partitionId: partitionIndex, errorCode, errorMessage }),
      ),
    }),
  ),
})

export type ElectLeadersRequest = ValueOf<typeof electLeadersRequest>
export type ElectLeadersResponse = ValueOf<typeof electLeadersResponse>
