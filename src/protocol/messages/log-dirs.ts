/* DescribeLogDirs: the folders of a broker's logs; AlterReplicaLogDirs moves logs between them. */

import {
  array,
  bool,
  int32,
  int64,
  message,
  nullableArray,
  since,
  string,
  struct,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, partitionIndex, topicName } from './message-places.js'

const DESCRIBE_RANGE = { versions: [1, 5], flexibleSince: 2 } as const

export const describeLogDirsRequest = message('DescribeLogDirsRequest', DESCRIBE_RANGE, {
  /** null: all partitions of the broker. */
  topics: nullableArray(struct({ topic: topicName, partitions: array(int32) })),
})

export const describeLogDirsResponse = message('DescribeLogDirsResponse', DESCRIBE_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  errorCode: since(3, errorCode, 0),
  results: array(
    struct({
      errorCode,
      logDir: string,
      topics: array(
        struct({
          name: topicName,
          partitions: array(
            struct({
              partitionIndex,
              /** Bytes of its segments. */
              partitionSize: int64,
              /** Records between the log's end and its high watermark, or the leader's end. */
              offsetLag: int64,
              /** The log is a copy that is being made for another folder. */
              isFutureKey: bool,
            }),
          ),
        }),
      ),
      /** Bytes of the volume; −1 when they are not known. */
      totalBytes: since(4, int64, -1),
      usableBytes: since(4, int64, -1),
      isCordoned: since(5, bool, false),
    }),
  ),
})

const ALTER_RANGE = { versions: [1, 2], flexibleSince: 2 } as const

export const alterReplicaLogDirsRequest = message('AlterReplicaLogDirsRequest', ALTER_RANGE, {
  dirs: array(
    struct({
      path: string,
      topics: array(struct({ name: topicName, partitions: array(int32) })),
    }),
  ),
})

export const alterReplicaLogDirsResponse = message('AlterReplicaLogDirsResponse', ALTER_RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  results: array(
    struct({
      topicName,
      partitions: array(struct({ partitionIndex, errorCode })),
    }),
  ),
})

export type DescribeLogDirsRequest = ValueOf<typeof describeLogDirsRequest>
export type DescribeLogDirsResponse = ValueOf<typeof describeLogDirsResponse>
export type AlterReplicaLogDirsRequest = ValueOf<typeof alterReplicaLogDirsRequest>
export type AlterReplicaLogDirsResponse = ValueOf<typeof alterReplicaLogDirsResponse>
