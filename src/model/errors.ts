/*
 * All errors in one table. A code that Kafka has keeps Kafka's name and number; partlog's own codes
 * come last, with negative numbers, which never go over the wire.
 *
 * A code is API and does not change. A sentence is for people and may change.
 */

import { AssertionError } from '../base/assert.js'
import { BytesError } from '../base/bytes.js'
import { ConfigError } from '../base/options.js'

interface ErrorRow {
  readonly id: number
  /** The same call may succeed later without any change by the caller. */
  readonly retriable: boolean
}

const final = (id: number): ErrorRow => ({ id, retriable: false })
const retriable = (id: number): ErrorRow => ({ id, retriable: true })

/** Kafka's error codes (clients/…/protocol/Errors.java), then partlog's own. */
export const ERRORS = {
  UNKNOWN_SERVER_ERROR: final(-1),
  NONE: final(0),
  OFFSET_OUT_OF_RANGE: final(1),
  CORRUPT_MESSAGE: retriable(2),
  UNKNOWN_TOPIC_OR_PARTITION: retriable(3),
  LEADER_NOT_AVAILABLE: retriable(5),
  NOT_LEADER_OR_FOLLOWER: retriable(6),
  REQUEST_TIMED_OUT: retriable(7),
  REPLICA_NOT_AVAILABLE: retriable(9),
  MESSAGE_TOO_LARGE: final(10),
  OFFSET_METADATA_TOO_LARGE: final(12),
  NETWORK_EXCEPTION: retriable(13),
  COORDINATOR_LOAD_IN_PROGRESS: retriable(14),
  COORDINATOR_NOT_AVAILABLE: retriable(15),
  NOT_COORDINATOR: retriable(16),
  INVALID_TOPIC_EXCEPTION: final(17),
  RECORD_LIST_TOO_LARGE: final(18),
  NOT_ENOUGH_REPLICAS: retriable(19),
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: retriable(20),
  INVALID_REQUIRED_ACKS: final(21),
  ILLEGAL_GENERATION: final(22),
  INCONSISTENT_GROUP_PROTOCOL: final(23),
  INVALID_GROUP_ID: final(24),
  UNKNOWN_MEMBER_ID: final(25),
  INVALID_SESSION_TIMEOUT: final(26),
  REBALANCE_IN_PROGRESS: final(27),
  INVALID_COMMIT_OFFSET_SIZE: final(28),
  TOPIC_AUTHORIZATION_FAILED: final(29),
  GROUP_AUTHORIZATION_FAILED: final(30),
  CLUSTER_AUTHORIZATION_FAILED: final(31),
  INVALID_TIMESTAMP: final(32),
  UNSUPPORTED_SASL_MECHANISM: final(33),
  ILLEGAL_SASL_STATE: final(34),
  UNSUPPORTED_VERSION: final(35),
  TOPIC_ALREADY_EXISTS: final(36),
  INVALID_PARTITIONS: final(37),
  INVALID_REPLICATION_FACTOR: final(38),
  INVALID_REPLICA_ASSIGNMENT: final(39),
  INVALID_CONFIG: final(40),
  NOT_CONTROLLER: retriable(41),
  INVALID_REQUEST: final(42),
  POLICY_VIOLATION: final(44),
  OUT_OF_ORDER_SEQUENCE_NUMBER: final(45),
  DUPLICATE_SEQUENCE_NUMBER: final(46),
  INVALID_PRODUCER_EPOCH: final(47),
  INVALID_TXN_STATE: final(48),
  INVALID_PRODUCER_ID_MAPPING: final(49),
  INVALID_TRANSACTION_TIMEOUT: final(50),
  CONCURRENT_TRANSACTIONS: retriable(51),
  TRANSACTION_COORDINATOR_FENCED: final(52),
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: final(53),
  SECURITY_DISABLED: final(54),
  OPERATION_NOT_ATTEMPTED: final(55),
  KAFKA_STORAGE_ERROR: retriable(56),
  LOG_DIR_NOT_FOUND: final(57),
  SASL_AUTHENTICATION_FAILED: final(58),
  UNKNOWN_PRODUCER_ID: final(59),
  NON_EMPTY_GROUP: final(68),
  GROUP_ID_NOT_FOUND: final(69),
  FETCH_SESSION_ID_NOT_FOUND: retriable(70),
  LISTENER_NOT_FOUND: retriable(72),
  TOPIC_DELETION_DISABLED: final(73),
  FENCED_LEADER_EPOCH: retriable(74),
  UNKNOWN_LEADER_EPOCH: retriable(75),
  UNSUPPORTED_COMPRESSION_TYPE: final(76),
  OFFSET_NOT_AVAILABLE: retriable(78),
  MEMBER_ID_REQUIRED: final(79),
  PREFERRED_LEADER_NOT_AVAILABLE: retriable(80),
  GROUP_MAX_SIZE_REACHED: final(81),
  FENCED_INSTANCE_ID: final(82),
  ELIGIBLE_LEADERS_NOT_AVAILABLE: retriable(83),
  ELECTION_NOT_NEEDED: retriable(84),
  GROUP_SUBSCRIBED_TO_TOPIC: final(86),
  INVALID_RECORD: final(87),
  UNSTABLE_OFFSET_COMMIT: retriable(88),
  THROTTLING_QUOTA_EXCEEDED: retriable(89),
  PRODUCER_FENCED: final(90),
  RESOURCE_NOT_FOUND: final(91),
  DUPLICATE_RESOURCE: final(92),
  INVALID_UPDATE_VERSION: final(95),
  UNKNOWN_TOPIC_ID: retriable(100),
  BROKER_ID_NOT_REGISTERED: final(102),
  INCONSISTENT_TOPIC_ID: retriable(103),
  INELIGIBLE_REPLICA: final(107),
  TRANSACTIONAL_ID_NOT_FOUND: final(105),
  FENCED_MEMBER_EPOCH: final(110),
  UNRELEASED_INSTANCE_ID: final(111),
  UNSUPPORTED_ASSIGNOR: final(112),
  STALE_MEMBER_EPOCH: final(113),
  MISMATCHED_ENDPOINT_TYPE: final(114),
  UNSUPPORTED_ENDPOINT_TYPE: final(115),
  TRANSACTION_ABORTABLE: final(120),
  INVALID_REGULAR_EXPRESSION: final(128),
  REBOOTSTRAP_REQUIRED: final(129),

  /** An argument of the wrong type or out of range. */
  INVALID_ARGUMENT: final(-100),
  /** The object was closed before or during the call. */
  CLOSED: final(-101),
  /** Another process (or another Cluster in this one) owns the folder. */
  LOCKED: final(-102),
  /** The object was opened for reading only, or can only be read. */
  READ_ONLY: final(-103),
  /** Bytes on disk are not what was written; the sentence names the file and the position. */
  CORRUPT_LOG: final(-104),
  /** A failed sync or write has taken a log offline until it is opened again. */
  LOG_OFFLINE: final(-110),
  /** A consumer needs a position, none is committed, and autoOffsetReset is 'none'. */
  NO_OFFSET_FOR_PARTITION: final(-105),
  /**
   * An unclean election truncated a log below what a consumer has read; `record` is the first
   * offset known to differ (Kafka's LogTruncationException).
   */
  LOG_TRUNCATION: final(-111),
  /** A callback of the application threw; `cause` has its error. */
  CALLBACK_FAILED: final(-112),
  /** The records belong to a transaction that was aborted before they were sent. */
  TRANSACTION_ABORTED: final(-113),
  /** The producer's memory or metadata did not become available within maxBlockMs. */
  BUFFER_EXHAUSTED: retriable(-106),
  /** Not delivered within deliveryTimeoutMs; `outcomeUnknown` says whether it may be in the log. */
  DELIVERY_TIMED_OUT: final(-107),
  /** The user's serializer or deserializer threw; `cause` has its error. */
  SERIALIZATION_FAILED: final(-108),
  /** This platform has no lock that the kernel releases when a process dies. */
  LOCK_UNAVAILABLE: final(-109),
} as const satisfies Readonly<Record<string, ErrorRow>>

/** The name of an error: Kafka's where Kafka has one. Stable across versions. */
export type ErrorCode = keyof typeof ERRORS

const NAME_BY_ID = new Map<number, ErrorCode>(
  Object.entries(ERRORS).map(([name, row]) => [row.id, name as ErrorCode]),
)

export function errorId(code: ErrorCode): number {
  return ERRORS[code].id
}

/** The code of a number in a response; UNKNOWN_SERVER_ERROR for a number of a newer Kafka. */
export function errorOf(id: number): ErrorCode {
  return NAME_BY_ID.get(id) ?? 'UNKNOWN_SERVER_ERROR'
}

/** The place of a record. */
export interface RecordPlace {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** The fields a PartlogError may have besides its code and sentence. */
export interface PartlogErrorOptions {
  readonly cause?: unknown
  /** The record or offset the error is about. */
  readonly record?: RecordPlace
  /** The request may or may not have taken effect. */
  readonly outcomeUnknown?: boolean
}

/** The error of every rejected promise and every throwing call of partlog. */
export class PartlogError extends Error {
  override readonly name = 'PartlogError'
  /** Stable across versions. Compare the code, never the sentence. */
  readonly code: ErrorCode
  /** The same call may succeed later without any change by the caller. */
  readonly retriable: boolean
  /** True when the records of a failed send may nevertheless be in the log. */
  readonly outcomeUnknown: boolean
  /**
   * The record that a consumer's SERIALIZATION_FAILED is about, or the first offset known to
   * differ after a LOG_TRUNCATION; absent on all other errors.
   */
  declare readonly record?: RecordPlace

  constructor(code: ErrorCode, sentence: string, options: PartlogErrorOptions = {}) {
    super(`${code}: ${sentence}`, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retriable = ERRORS[code].retriable
    this.outcomeUnknown = options.outcomeUnknown ?? false
    if (options.record !== undefined) this.record = options.record
  }

  /** The message without the code before it. */
  get sentence(): string {
    return this.message.slice(this.code.length + 2)
  }
}

/**
 * True for a PartlogError, with the given code if one is given. Compares the name, not the class:
 * an application may load the ESM and the CommonJS copy of partlog at once.
 */
export function isPartlogError(error: unknown, code?: ErrorCode): error is PartlogError {
  if (!(error instanceof Error) || error.name !== 'PartlogError') return false
  return code === undefined || (error as PartlogError).code === code
}

/** Any thrown value as a PartlogError; an unexpected one is kept as its cause. */
export function toPartlogError(error: unknown): PartlogError {
  if (isPartlogError(error)) return error
  const sentence = error instanceof Error ? error.message : String(error)
  if (error instanceof ConfigError) return new PartlogError('INVALID_CONFIG', sentence)
  if (error instanceof BytesError) return new PartlogError('CORRUPT_MESSAGE', sentence)
  if (isFromDisk(error)) return new PartlogError('KAFKA_STORAGE_ERROR', sentence, { cause: error })
  const what = error instanceof AssertionError ? 'assertion failed' : 'unexpected error'
  return new PartlogError('UNKNOWN_SERVER_ERROR', `${what}: ${sentence}`, { cause: error })
}

/** By name: this room must not import the disk's. The sentence has operation, file and reason. */
function isFromDisk(error: unknown): boolean {
  return error instanceof Error && error.name === 'DiskError'
}

/** The same error with `outcomeUnknown`: the request may have taken effect. */
export function withUnknownOutcome(error: PartlogError): PartlogError {
  if (error.outcomeUnknown) return error
  const { sentence } = error
  return new PartlogError(error.code, sentence, { cause: error, outcomeUnknown: true })
}

/** Runs `read` on the user's options; a refusal becomes INVALID_CONFIG. */
export function checkedConfig<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw toPartlogError(error)
  }
}
