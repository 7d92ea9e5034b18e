/* DescribeCluster: the brokers of a cluster, for administrators. */

import {
  array,
  bool,
  int32,
  int8,
  message,
  nullableString,
  since,
  string,
  struct,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage, nodeId } from './message-places.js'
import { NOT_ASKED } from './metadata.js'

const RANGE = { versions: [0, 2], flexibleSince: 0 } as const

/** The kind of nodes that a client asks for. */
export const ENDPOINT_TYPE = { brokers: 1, controllers: 2 } as const
export const describeClusterRequest = message('DescribeClusterRequest', RANGE, {
  includeClusterAuthorizedOperations: bool,
  endpointType: since(1, int8, ENDPOINT_TYPE.brokers),
  includeFencedBrokers: since(2, bool, false),
})

export const describeClusterResponse = message('DescribeClusterResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  errorCode,
  errorMessage: withDefault(errorMessage, null),
  endpointType: since(1, int8, ENDPOINT_TYPE.brokers),
  clusterId: string,
  controllerId: withDefault(int32, -1),
  brokers: array(
    struct({
      brokerId: nodeId,
      host: string,
      port: int32,
      rack: withDefault(nullableString, null),
      isFenced: since(2, bool, false),
    }),
  ),
  clusterAuthorizedOperations: withDefault(int32, NOT_ASKED),
})

export type DescribeClusterRequest = ValueOf<typeof describeClusterRequest>
export type DescribeClusterResponse = ValueOf<typeof describeClusterResponse>
