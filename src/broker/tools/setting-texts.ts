/* What the settings of a topic mean, for clients that ask for documentation (KIP-569). */

import type { TopicSetting } from '../../model/topic-settings.js'

/** Of a setting without effect. */
export const UNUSED = 'Kept and shown; it changes nothing here.'

export const TOPIC_TEXTS: Readonly<Record<TopicSetting, string>> = {
  'segment.bytes': 'A segment is closed before it grows beyond so many bytes.',
  'internal.segment.bytes': 'As segment.bytes, without its minimum; for tests.',
  'segment.ms': 'A segment is closed when its records span so many milliseconds.',
  'segment.jitter.ms': 'The most that is randomly subtracted from segment.ms for each segment.',
  'segment.index.bytes': 'The size an index may reach before its segment is closed, in bytes.',
  'index.interval.bytes': 'Bytes of records between two entries of an index.',
  'cleanup.policy':
    'How old records are removed: "delete" by age and size, "compact" all but the newest of a ' +
    'key, both, or, when it is empty, not at all.',
  'min.cleanable.dirty.ratio':
    'Compaction begins when more than this ratio of the closed segments is not compacted.',
  'min.compaction.lag.ms': 'Records younger than this are not compacted, in milliseconds.',
  'max.compaction.lag.ms':
    'Records older than this are compacted whatever the ratio, in milliseconds.',
  'delete.retention.ms':
    'How long a tombstone stays after the first compaction that reads it, in milliseconds.',
  'retention.ms':
    'Closed segments whose newest record is older are deleted, in milliseconds; -1 keeps all.',
  'retention.bytes':
    'The oldest closed segments are deleted while the rest is larger, in bytes; -1 keeps all.',
  'file.delete.delay.ms': 'How long a deleted file stays for its readers, in milliseconds.',
  'max.message.bytes': 'The largest batch that is accepted, after compression, in bytes.',
  'compression.type': 'The codec of batches in the log; "producer" keeps that of the producer.',
  'message.timestamp.type': 'The time of a record: that of its producer, or that of the append.',
  'message.timestamp.before.max.ms':
    "How far the time of a record may be before the broker's, in milliseconds.",
  'message.timestamp.after.max.ms':
    "How far the time of a record may be after the broker's, in milliseconds.",
  'min.insync.replicas': 'The in-sync replicas that a send with acks=all needs.',
  'unclean.leader.election.enable':
    'Whether a replica that lacks records may become the leader when no other is left.',
  'compression.gzip.level': `How hard gzip compresses. ${UNUSED}`,
  'compression.lz4.level': `How hard lz4 compresses. ${UNUSED}`,
  'compression.zstd.level': `How hard zstd compresses. ${UNUSED}`,
  'max.decompressed.message.bytes': `The largest batch after decompression. ${UNUSED}`,
  'flush.messages': `A sync after so many records. ${UNUSED}`,
  'flush.ms': `A sync after so many milliseconds. ${UNUSED}`,
  preallocate: `Files of segments are made in their full size. ${UNUSED}`,
  'leader.replication.throttled.replicas': `Replicas whose leaders send slowly. ${UNUSED}`,
  'follower.replication.throttled.replicas': `Replicas that copy slowly. ${UNUSED}`,
  'remote.storage.enable': 'Tiered storage, which there is not: it can only be false.',
  'remote.log.copy.disable': `Ends copying to tiered storage. ${UNUSED}`,
  'remote.log.delete.on.disable': `Whether leaving tiered storage deletes there. ${UNUSED}`,
  'remote.copy.lag.ms': `The age at which segments go to tiered storage. ${UNUSED}`,
  'remote.copy.lag.bytes': `The size after which segments go to tiered storage. ${UNUSED}`,
  'local.retention.ms': `How long a tiered segment stays here. ${UNUSED}`,
  'local.retention.bytes': `How many bytes of a tiered log stay here. ${UNUSED}`,
  'errors.deadletterqueue.group.enable': `Whether share groups may send dead letters. ${UNUSED}`,
}
