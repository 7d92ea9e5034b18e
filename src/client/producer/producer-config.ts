/*
 * Options of producers: Kafka's names in camelCase and Kafka's defaults (4.3), except for lingerMs
 * and batchSize, for which the README gives its reasons.
 */

import {
  flag,
  instance,
  INT_MAX,
  integer,
  oneOf,
  option,
  optional,
  type OptionTable,
  type OptionValues,
  show,
  text,
} from '../../base/options.js'
import { CODECS, isReadable, type Compression } from '../../model/batch/compression.js'
import { gzipLevel, LEVELS } from '../../model/codecs/levels.js'
import { needsNewerNode } from '../../model/codecs/zstd.js'
import { PartlogError } from '../../model/errors.js'
import { REQUEST_TIMEOUT_MS } from '../line/client-config.js'
import type { PartitionerFunction } from './partitioner.js'

const isFunction = (value: unknown): boolean => typeof value === 'function'

/** Which replicas must have a record before a send resolves: all in-sync ones, the leader, none. */
export type Acks = 'all' | 1 | 0

export const PRODUCER_OPTIONS = {
  clientId: option(text, 'partlog'),
  acks: option(oneOf<Acks>('all', 1, 0), 'all'),
  transactionalId: optional(text),
  transactionTimeoutMs: option(integer(1, INT_MAX), 60_000),
  enableIdempotence: optional(flag),
  lingerMs: option(integer(0, INT_MAX), 0),
  batchSize: option(integer(1, INT_MAX), 262_144),
  bufferMemory: option(integer(1), 33_554_432),
  maxBlockMs: option(integer(0), 60_000),
  maxRequestSize: option(integer(1, INT_MAX), 1_048_576),
  requestTimeoutMs: option(integer(1, INT_MAX), REQUEST_TIMEOUT_MS),
  deliveryTimeoutMs: option(integer(1, INT_MAX), 120_000),
  retryBackoffMs: option(integer(0), 100),
  retryBackoffMaxMs: option(integer(0), 1_000),
  metadataMaxAgeMs: option(integer(0), 300_000),
  compression: option(oneOf(...CODECS), 'none'),
  compressionGzipLevel: option(gzipLevel, LEVELS.gzip.fallback),
  compressionLz4Level: option(integer(LEVELS.lz4.min, LEVELS.lz4.max), LEVELS.lz4.fallback),
  compressionZstdLevel: option(integer(LEVELS.zstd.min, LEVELS.zstd.max), LEVELS.zstd.fallback),
  partitioner: optional(instance<PartitionerFunction>('a function', isFunction)),
} satisfies OptionTable

export type ProducerSettings = OptionValues<typeof PRODUCER_OPTIONS>

/** Throws UNSUPPORTED_COMPRESSION_TYPE for zstd on a Node that has none. */
export function compressionOf(settings: ProducerSettings): Compression {
  const { compression: codec } = settings
  if (!isReadable(codec)) throw needsNewerNode()
  const levels = {
    gzip: settings.compressionGzipLevel,
    lz4: settings.compressionLz4Level,
    zstd: settings.compressionZstdLevel,
  }
  return { codec, level: codec === 'none' || codec === 'snappy' ? undefined : levels[codec] }
}

/** True by default with acks 'all'. Throws INVALID_CONFIG when it is asked for with fewer acks. */
export function isIdempotent(settings: ProducerSettings): boolean {
  const { acks, enableIdempotence, transactionalId } = settings
  if (transactionalId !== undefined && (acks !== 'all' || enableIdempotence === false)) {
    const sentence = "transactionalId: transactions need acks 'all' and enableIdempotence"
    throw new PartlogError('INVALID_CONFIG', sentence)
  }
  if (enableIdempotence === true && acks !== 'all') {
    const sentence = `enableIdempotence: needs acks 'all', got acks ${show(acks)}`
    throw new PartlogError('INVALID_CONFIG', sentence)
  }
  return enableIdempotence ?? acks === 'all'
}
