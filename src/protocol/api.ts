/* The APIs of a broker, each with its number, its request and its response. */

import {
  createAclsRequest,
  createAclsResponse,
  deleteAclsRequest,
  deleteAclsResponse,
  describeAclsRequest,
  describeAclsResponse,
} from './messages/acls.js'
import { describeClusterRequest, describeClusterResponse } from './messages/cluster.js'
import {
  alterConfigsRequest,
  alterConfigsResponse,
  describeConfigsRequest,
  describeConfigsResponse,
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
  listConfigResourcesRequest,
  listConfigResourcesResponse,
  olderListConfigResources,
} from './messages/configs.js'
import {
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
  olderConsumerGroupHeartbeat,
} from './messages/consumer-groups.js'
import { electLeadersRequest, electLeadersResponse } from './messages/elections.js'
import { updateFeaturesRequest, updateFeaturesResponse } from './messages/features.js'
import { fetchRequest, fetchResponse, olderFetch } from './messages/fetch.js'
import {
  deleteGroupsRequest,
  deleteGroupsResponse,
  describeGroupsRequest,
  describeGroupsResponse,
  listGroupsRequest,
  listGroupsResponse,
  offsetDeleteRequest,
  offsetDeleteResponse,
  olderDescribeGroups,
  olderListGroups,
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
  olderFindCoordinator,
  olderJoinGroup,
  olderLeaveGroup,
  olderOffsetFetch,
  syncGroupRequest,
  syncGroupResponse,
} from './messages/groups.js'
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
  describeLogDirsRequest,
  describeLogDirsResponse,
} from './messages/log-dirs.js'
import { metadataRequest, metadataResponse, olderMetadata } from './messages/metadata.js'
import {
  deleteRecordsRequest,
  deleteRecordsResponse,
  listOffsetsRequest,
  listOffsetsResponse,
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
  olderListOffsets,
} from './messages/offsets.js'
import type { OlderVersions } from './messages/older-versions.js'
import { olderProduce, produceRequest, produceResponse } from './messages/produce.js'
import { initProducerIdRequest, initProducerIdResponse } from './messages/producer-ids.js'
import { describeQuorumRequest, describeQuorumResponse } from './messages/quorum.js'
import {
  alterClientQuotasRequest,
  alterClientQuotasResponse,
  describeClientQuotasRequest,
  describeClientQuotasResponse,
} from './messages/quotas.js'
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from './messages/reassignments.js'
import {
  describeUserScramCredentialsRequest,
  describeUserScramCredentialsResponse,
} from './messages/scram-users.js'
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from './messages/topic-partitions.js'
import {
  createPartitionsRequest,
  createPartitionsResponse,
  createTopicsRequest,
  createTopicsResponse,
  deleteTopicsRequest,
  deleteTopicsResponse,
  olderDeleteTopics,
} from './messages/topics.js'
import {
  addOffsetsToTxnRequest,
  addOffsetsToTxnResponse,
  addPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
  describeProducersRequest,
  describeProducersResponse,
  describeTransactionsRequest,
  describeTransactionsResponse,
  endTxnRequest,
  endTxnResponse,
  listTransactionsRequest,
  listTransactionsResponse,
  olderAddPartitionsToTxn,
  olderEndTxn,
  olderTxnOffsetCommit,
  txnOffsetCommitRequest,
  txnOffsetCommitResponse,
  writeTxnMarkersRequest,
  writeTxnMarkersResponse,
} from './messages/transactions.js'
import type { Message, ValueOf } from './schema.js'

export interface Api<Q, S> {
  readonly key: number
  readonly request: Message<Q>
  readonly response: Message<S>
  /** How values differ in older versions. */
  readonly older: OlderVersions<Q, S>
}

function api<Q, S>(
  key: number,
  request: Message<Q>,
  response: Message<S>,
  older: OlderVersions<NoInfer<Q>, NoInfer<S>> = [],
): Api<Q, S> {
  return { key, request, response, older }
}

/** All APIs. The numbers are Kafka's (ApiKeys). */
export const APIS = {
  Produce: api(0, produceRequest, produceResponse, olderProduce),
  Fetch: api(1, fetchRequest, fetchResponse, olderFetch),
  ListOffsets: api(2, listOffsetsRequest, listOffsetsResponse, olderListOffsets),
  Metadata: api(3, metadataRequest, metadataResponse, olderMetadata),
  OffsetCommit: api(8, offsetCommitRequest, offsetCommitResponse),
  OffsetFetch: api(9, offsetFetchRequest, offsetFetchResponse, olderOffsetFetch),
  FindCoordinator: api(10, findCoordinatorRequest, findCoordinatorResponse, olderFindCoordinator),
  JoinGroup: api(11, joinGroupRequest, joinGroupResponse, olderJoinGroup),
  Heartbeat: api(12, heartbeatRequest, heartbeatResponse),
  LeaveGroup: api(13, leaveGroupRequest, leaveGroupResponse, olderLeaveGroup),
  SyncGroup: api(14, syncGroupRequest, syncGroupResponse),
  DescribeGroups: api(15, describeGroupsRequest, describeGroupsResponse, olderDescribeGroups),
  ListGroups: api(16, listGroupsRequest, listGroupsResponse, olderListGroups),
  CreateTopics: api(19, createTopicsRequest, createTopicsResponse),
  DeleteTopics: api(20, deleteTopicsRequest, deleteTopicsResponse, olderDeleteTopics),
  DeleteRecords: api(21, deleteRecordsRequest, deleteRecordsResponse),
  InitProducerId: api(22, initProducerIdRequest, initProducerIdResponse),
  OffsetForLeaderEpoch: api(23, offsetForLeaderEpochRequest, offsetForLeaderEpochResponse),
  AddPartitionsToTxn: api(
    24,
    addPartitionsToTxnRequest,
    addPartitionsToTxnResponse,
    olderAddPartitionsToTxn,
  ),
  AddOffsetsToTxn: api(25, addOffsetsToTxnRequest, addOffsetsToTxnResponse),
  EndTxn: api(26, endTxnRequest, endTxnResponse, olderEndTxn),
  WriteTxnMarkers: api(27, writeTxnMarkersRequest, writeTxnMarkersResponse),
  TxnOffsetCommit: api(
    28,
    txnOffsetCommitRequest,
    txnOffsetCommitResponse,
    olderTxnOffsetCommit,
  ),
  DescribeConfigs: api(32, describeConfigsRequest, describeConfigsResponse),
  AlterConfigs: api(33, alterConfigsRequest, alterConfigsResponse),
  CreatePartitions: api(37, createPartitionsRequest, createPartitionsResponse),
  DeleteGroups: api(42, deleteGroupsRequest, deleteGroupsResponse),
  ElectLeaders: api(43, electLeadersRequest, electLeadersResponse),
  IncrementalAlterConfigs: api(44, incrementalAlterConfigsRequest, incrementalAlterConfigsResponse),
  OffsetDelete: api(47, offsetDeleteRequest, offsetDeleteResponse),
  DescribeCluster: api(60, describeClusterRequest, describeClusterResponse),
  DescribeAcls: api(29, describeAclsRequest, describeAclsResponse),
  CreateAcls: api(30, createAclsRequest, createAclsResponse),
  DeleteAcls: api(31, deleteAclsRequest, deleteAclsResponse),
  AlterReplicaLogDirs: api(34, alterReplicaLogDirsRequest, alterReplicaLogDirsResponse),
  DescribeLogDirs: api(35, describeLogDirsRequest, describeLogDirsResponse),
  ListPartitionReassignments: api(
    46,
    listPartitionReassignmentsRequest,
    listPartitionReassignmentsResponse,
  ),
  DescribeUserScramCredentials: api(
    50,
    describeUserScramCredentialsRequest,
    describeUserScramCredentialsResponse,
  ),
  DescribeQuorum: api(55, describeQuorumRequest, describeQuorumResponse),
  DescribeClientQuotas: api(48, describeClientQuotasRequest, describeClientQuotasResponse),
  AlterClientQuotas: api(49, alterClientQuotasRequest, alterClientQuotasResponse),
  UpdateFeatures: api(57, updateFeaturesRequest, updateFeaturesResponse),
  ListConfigResources: api(
    74,
    listConfigResourcesRequest,
    listConfigResourcesResponse,
    olderListConfigResources,
  ),
  DescribeTopicPartitions: api(
    75,
    describeTopicPartitionsRequest,
    describeTopicPartitionsResponse,
  ),
  ConsumerGroupHeartbeat: api(
    68,
    consumerGroupHeartbeatRequest,
    consumerGroupHeartbeatResponse,
    olderConsumerGroupHeartbeat,
  ),
  ConsumerGroupDescribe: api(69, consumerGroupDescribeRequest, consumerGroupDescribeResponse),
  DescribeProducers: api(61, describeProducersRequest, describeProducersResponse),
  DescribeTransactions: api(65, describeTransactionsRequest, describeTransactionsResponse),
  ListTransactions: api(66, listTransactionsRequest, listTransactionsResponse),
} as const

export type ApiName = keyof typeof APIS
export type Request<A extends ApiName> = ValueOf<(typeof APIS)[A]['request']>
export type Response<A extends ApiName> = ValueOf<(typeof APIS)[A]['response']>
