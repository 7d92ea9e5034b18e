/* partlog: Kafka's model inside one Node process. The table of contents. */

// The cluster.
export { Cluster } from './cluster/cluster.js'
export type { RecoveryReport } from './cluster/recovery-report.js'
export type { BrokerOptions, ClusterOptions, OpenOptions } from './cluster/cluster-options.js'
export type { Condition, UntilOptions } from './cluster/until.js'
export type {
  ConsumerOf,
  KafkaCluster,
  WidenedConsumerOptions,
} from './client/kafka-cluster.js'
export type { Durability } from './partition/roles.js'
export type { FindingKind, RecoveryFinding } from './log/recovery/recovery.js'

// Its brokers, events, faults and network.
export type { BrokerHandle } from './cluster/faults/broker-handle.js'
export type {
  BrokerView,
  ClusterView,
  PartitionView,
  ReplicaView,
  TopicView,
} from './cluster/describe.js'
export type {
  ClusterEvents,
  DataLossEvent,
  EventName,
  IsrEvent,
  LeaderEvent,
  RepairEvent,
  TruncationEvent,
} from './cluster/events.js'
export type {
  GroupMemberName,
  RebalanceEvent,
  SharedGroupEvent,
} from './coordinator/groups/rebalance-reporter.js'
export type {
  ClusterFaults,
  FaultApi,
  FaultBuilder,
  FaultErrorCode,
  FaultFilter,
  FaultRule,
} from './cluster/faults/faults.js'
export type {
  ClusterNetwork,
  DropOptions,
  NetworkLink,
  NetworkNode,
} from './cluster/network/network-rules.js'

// Producers.
export type {
  ConsumerGroupMetadata,
  Producer,
  ProducerOptions,
  ReadPlace,
  SendOffsetsRequest,
  SendRequest,
  TransactionalProducer,
  TransactionalProducerOptions,
} from './client/producer/producer-api.js'
export type { Acks } from './client/producer/producer-config.js'
export type { HeadersIn, Message, RecordMetadata } from './client/producer/messages.js'
export type { PartitionerFunction, PartitionerInput } from './client/producer/partitioner.js'
export type { BytesIn, Header, HeaderIn, TimestampType } from './model/batch/record.js'

// Consumers.
export type { Consumer } from './client/consumer/consumer-api.js'
export type {
  CommitRequest,
  CommittedPosition,
  ConsumerOptions,
  DoneRecord,
  GroupMetadata,
  PartitionsListener,
  PollOptions,
  RecordBatch,
  RunOptions,
  SubscribeOptions,
} from './client/consumer/consumer-options.js'
export type { OffsetToCommit } from './client/line/offset-commit.js'
export type { ConsumerRecord } from './client/consumer/consumer-record.js'
export type { AutoOffsetReset } from './client/consumer/reset-policy.js'
export {
  json,
  type Deserialized,
  type DeserializedByName,
  type Deserializer,
  type DeserializerContext,
  type DeserializerName,
  type DeserializerOption,
  type JsonValue,
} from './client/line/serdes.js'

// Assignment of partitions to the members of a group.
export type { AssignorName } from './client/group/assignor-option.js'
export type {
  AssignableTopic,
  Assignment,
  AssignmentInput,
  Assignor,
} from './protocol/assignors/assignor.js'
export type { MemberSubscription } from './protocol/messages/consumer-protocol.js'

// Admin.
export type {
  Admin,
  AdminClient,
  AdminOptions,
  AlterConfigRequest,
  ElectLeadersRequest,
  ListedOffsets,
  ListOffsetsRequest,
  LogDescription,
  LogDirDescription,
  OffsetSpec,
  PartitionDescription,
  TopicConfigChanges,
  TopicDescription,
  TopicSettingValue,
} from './client/admin/admin-api.js'
export type {
  ActiveGroupOptions,
  DeleteGroupOffsetsRequest,
  GroupDescription,
  GroupLag,
  GroupListing,
  GroupType,
  GroupMemberDescription,
  GroupOffsetListing,
  GroupState,
  ListGroupsOptions,
  PartitionLag,
  RemoveGroupMembersRequest,
  ResetOffset,
  ResetGroupOffsetsRequest,
  ResetTarget,
  AlterGroupOffsetsRequest,
} from './client/admin/group-admin-options.js'
export type { NewPartitions, NewTopic } from './client/admin/new-topic.js'
export type { TopicPartition } from './model/names.js'
export type { KafkaTopicSetting, TopicConfigInput, TopicSetting } from './model/topic-settings.js'

// Log directories, read without a cluster.
export { openLogDirectory, type LogDirectory } from './log/inspection/open-log-directory.js'
export type { MissingOffsets, TornTail } from './log/inspection/batch-walk.js'
export type {
  PartitionDirectory,
  RecordRange,
  UndecidedOffsets,
  UnreadBatches,
} from './log/inspection/partition-directory.js'
export type { StoredTopicRecord } from './log/inspection/stored-row.js'
export type { Codec } from './model/batch/compression.js'

// Event files into a topic.
export { importEvents, type EventImport } from './events/import-events.js'
export type { BadEventReport, ImportEventsOptions } from './events/import/import-options.js'
export type { ImportOutcome } from './events/import/import-parts.js'
export type { ImportProgress, ImportResult } from './events/import/import-run.js'
export type { BytesEncoding, EventFormat, TimesRead } from './events/formats/event-rules.js'
export type { EventSource, NamedStream } from './events/source/event-files.js'
export type { TimeUnit } from './events/text/time-text.js'

// A topic in the order of its times.
export type { ReplayOptions } from './events/replay-topic.js'
export type { ReplayProgress } from './events/replay/replay-progress.js'

// Clients of a remote Kafka cluster.
export { connect, RemoteCluster, type ConnectOptions } from './connect.js'
export type { SaslOptions } from './wire/sasl.js'
export type { TlsOptions } from './wire/dial.js'

// Access for other Kafka clients: ports and socket factories.
export type { SocketFactory, SocketRequest } from './wire/socket-factory.js'
export type { Listening, ListenOptions } from './wire/tcp-server.js'

// Errors.
export {
  isPartlogError,
  PartlogError,
  type ErrorCode,
  type PartlogErrorOptions,
  type RecordPlace,
} from './model/errors.js'

// Clock, randomness, logger.
export type { Clock, Timer } from './base/clock.js'
export { VirtualClock, virtualClock } from './base/virtual-clock.js'
export { seededRandom, type Random } from './base/random.js'
export type { Logger, LogFields } from './base/logger.js'

// The hash that maps keys to partitions.
export { murmur2, partitionOfKey } from './model/hashes.js'
