/** What can be asked of a broker: each API with its number and its two messages. */

import { describeClusterRequest, describeClusterResponse } from './messages/cluster.js'
import {
  alterConfigsRequest,
  alterConfigsResponse,
  describeConfigsRequest,
  describeConfigsResponse,
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from './messages/configs.js'
import { electLeadersRequest, electLeadersResponse } from './messages/elections.js'
import { fetchRequest, fetchResponse } from './messages/fetch.js'
import {
  deleteGroupsRequest,
  deleteGroupsResponse,
  describeGroupsRequest,
  describeGroupsResponse,
  listGroupsRequest,
  listGroupsResponse,
  offsetDeleteRequest,
  offsetDeleteResponse,
} from './messages/group-admin.js'
import {
  findCoordinatorRequest,
  findCoordinatorResponse,
  heartbeatRequest,
  heartbeatResponse,
  joinGroupRequest,
  joinGroupResponse,
  leaveGroupRequest,
  leaveGroupResponse,
  offsetCommitRequest,
  offsetCommitResponse,
  offsetFetchRequest,
  offsetFetchResponse,
  syncGroupRequest,
  syncGroupResponse,
} from './messages/groups.js'
import { metadataRequest, metadataResponse } from './messages/metadata.js'
import {
  deleteRecordsRequest,
  deleteRecordsResponse,
  listOffsetsRequest,
  listOffsetsResponse,
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from './messages/offsets.js'
import { produceRequest, produceResponse } from './messages/produce.js'
import { initProducerIdRequest, initProducerIdResponse } from './messages/producer-ids.js'
import {
  createPartitionsRequest,
  createPartitionsResponse,
  createTopicsRequest,
  createTopicsResponse,
  deleteTopicsRequest,
  deleteTopicsResponse,
} from './messages/topics.js'
import type { Message, ValueOf } from './schema.js'

interface Api<Q, S> {
  readonly key: number
  readonly request: Message<Q>
  readonly response: Message<S>
}

function api<Q, S>(key: number, request: Message<Q>, response: Message<S>): Api<Q, S> {
  return { key, request, response }
}

/** Numbers are Kafka's (ApiKeys). */
export const APIS = {
  Produce: api(0, produceRequest, produceResponse),
  Fetch: api(1, fetchRequest, fetchResponse),
  ListOffsets: api(2, listOffsetsRequest, listOffsetsResponse),
  Metadata: api(3, metadataRequest, metadataResponse),
  OffsetCommit: api(8, offsetCommitRequest, offsetCommitResponse),
  OffsetFetch: api(9, offsetFetchRequest, offsetFetchResponse),
  FindCoordinator: api(10, findCoordinatorRequest, findCoordinatorResponse),
  JoinGroup: api(11, joinGroupRequest, joinGroupResponse),
  Heartbeat: api(12, heartbeatRequest, heartbeatResponse),
  LeaveGroup: api(13, leaveGroupRequest, leaveGroupResponse),
  SyncGroup: api(14, syncGroupRequest, syncGroupResponse),
  DescribeGroups: api(15, describeGroupsRequest, describeGroupsResponse),
  ListGroups: api(16, listGroupsRequest, listGroupsResponse),
  CreateTopics: api(19, createTopicsRequest, createTopicsResponse),
  DeleteTopics: api(20, deleteTopicsRequest, deleteTopicsResponse),
  DeleteRecords: api(21, deleteRecordsRequest, deleteRecordsResponse),
  InitProducerId: api(22, initProducerIdRequest, initProducerIdResponse),
  OffsetForLeaderEpoch: api(23, offsetForLeaderEpochRequest, offsetForLeaderEpochResponse),
  DescribeConfigs: api(32, describeConfigsRequest, describeConfigsResponse),
  AlterConfigs: api(33, alterConfigsRequest, alterConfigsResponse),
  CreatePartitions: api(37, createPartitionsRequest, createPartitionsResponse),
  DeleteGroups: api(42, deleteGroupsRequest, deleteGroupsResponse),
  ElectLeaders: api(43, electLeadersRequest, electLeadersResponse),
  IncrementalAlterConfigs: api(44, incrementalAlterConfigsRequest, incrementalAlterConfigsResponse),
  OffsetDelete: api(47, offsetDeleteRequest, offsetDeleteResponse),
  DescribeCluster: api(60, describeClusterRequest, describeClusterResponse),
} as const

export type ApiName = keyof typeof APIS
export type Request<A extends ApiName> = ValueOf<(typeof APIS)[A]['request']>
export type Response<A extends ApiName> = ValueOf<(typeof APIS)[A]['response']>
