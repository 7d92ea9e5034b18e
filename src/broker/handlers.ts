/* Which handler answers the requests of which API. */

import type { ApiName, Request, Response } from '../protocol/api.js'
import type { BrokerContext } from './node/context.js'
import {
  consumerGroupDescribe,
  consumerGroupHeartbeat,
} from './requests/consumer-group-requests.js'
import { electLeaders } from './requests/election-requests.js'
import { fetch } from './requests/fetch-requests.js'
import { deleteGroups, describeGroups, listGroups } from './requests/group-admin-requests.js'
import { offsetCommit, offsetDelete, offsetFetch } from './requests/group-offset-requests.js'
import {
  findCoordinator,
  heartbeat,
  joinGroup,
  leaveGroup,
  syncGroup,
} from './requests/group-requests.js'
import { describeCluster, metadata } from './requests/metadata-requests.js'
import {
  describeProducers,
  txnOffsetCommit,
  writeTxnMarkers,
} from './requests/marker-requests.js'
import { deleteRecords, listOffsets, offsetForLeaderEpoch } from './requests/offset-requests.js'
import { produce } from './requests/produce-requests.js'
import { initProducerId } from './requests/producer-id-requests.js'
import { createPartitions, createTopics, deleteTopics } from './requests/topic-requests.js'
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  describeTransactions,
  endTxn,
  listTransactions,
} from './requests/transaction-requests.js'
import {
  alterConfigs,
  describeConfigs,
  incrementalAlterConfigs,
  listConfigResources,
} from './tools/config-requests.js'
import { updateFeatures } from './tools/feature-requests.js'
import { alterReplicaLogDirs, describeLogDirs } from './tools/log-dir-requests.js'
import { describeQuorum } from './tools/quorum-requests.js'
import { alterClientQuotas, describeClientQuotas } from './tools/quota-requests.js'
import { listPartitionReassignments } from './tools/reassignment-requests.js'
import {
  createAcls,
  deleteAcls,
  describeAcls,
  describeUserScramCredentials,
} from './tools/security-requests.js'
import { describeTopicPartitions } from './tools/topic-page-requests.js'

/** Answers the requests of one API; synchronously if it need not wait. */
export type Handler<A extends ApiName> = (
  broker: BrokerContext,
  request: Request<A>,
  signal?: AbortSignal,
) => Response<A> | Promise<Response<A>>

/** The handler of every API. */
export const HANDLERS: { readonly [A in ApiName]: Handler<A> } = {
  Produce: produce,
  Fetch: fetch,
  ListOffsets: listOffsets,
  Metadata: metadata,
  OffsetCommit: offsetCommit,
  OffsetFetch: offsetFetch,
  FindCoordinator: findCoordinator,
  JoinGroup: joinGroup,
  Heartbeat: heartbeat,
  LeaveGroup: leaveGroup,
  SyncGroup: syncGroup,
  DescribeGroups: describeGroups,
  ListGroups: listGroups,
  CreateTopics: createTopics,
  DeleteTopics: deleteTopics,
  DeleteRecords: deleteRecords,
  DescribeConfigs: describeConfigs,
  CreatePartitions: createPartitions,
  DeleteGroups: deleteGroups,
  ElectLeaders: electLeaders,
  IncrementalAlterConfigs: incrementalAlterConfigs,
  InitProducerId: initProducerId,
  OffsetDelete: offsetDelete,
  OffsetForLeaderEpoch: offsetForLeaderEpoch,
  AlterConfigs: alterConfigs,
  DescribeCluster: describeCluster,
  DescribeAcls: describeAcls,
  CreateAcls: createAcls,
  DeleteAcls: deleteAcls,
  AlterReplicaLogDirs: alterReplicaLogDirs,
  DescribeLogDirs: describeLogDirs,
  ListPartitionReassignments: listPartitionReassignments,
  DescribeUserScramCredentials: describeUserScramCredentials,
  DescribeQuorum: describeQuorum,
  DescribeClientQuotas: describeClientQuotas,
  AlterClientQuotas: alterClientQuotas,
  UpdateFeatures: updateFeatures,
  ListConfigResources: listConfigResources,
  DescribeTopicPartitions: describeTopicPartitions,
  AddPartitionsToTxn: addPartitionsToTxn,
  AddOffsetsToTxn: addOffsetsToTxn,
  EndTxn: endTxn,
  WriteTxnMarkers: writeTxnMarkers,
  TxnOffsetCommit: txnOffsetCommit,
  ConsumerGroupHeartbeat: consumerGroupHeartbeat,
  ConsumerGroupDescribe: consumerGroupDescribe,
  DescribeProducers: describeProducers,
  DescribeTransactions: describeTransactions,
  ListTransactions: listTransactions,
}
