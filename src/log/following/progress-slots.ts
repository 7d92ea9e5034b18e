/*
 * `.progress` in the folder of a cluster: what the process that owns the folder says about its logs
 * to others that read them. It stands beside the folders of brokers, which hold Kafka's files only.
 * It is true while its writer lives, it is never synced, and recovery does not look at it.
 *
 *   header   0  magic (8)   8  generation (16)   24  state (1)   28  slots (4)
 *            32  CRC-32C of the bytes before (4)   … 64
 *   slot     0  topic id (16)   16  partition (4)   20  broker (4)   24  leader epoch (4)
 *            28  layout (4)   32  log start (8)   40  high watermark (8)   48  log end (8)
 *            56  role (1)   60  CRC-32C of the bytes before (4)   … 64
 *
 * A slot that holds no replica is all zeros. `generation` is new for each opening of the folder.
 */

import { getInt32, getInt64, getUint32, putInt32, putInt64 } from '../../base/bytes.js'
import { crc32c } from '../../base/checksums/crc32c.js'
import { UUID_BYTES, uuidFromBytes, uuidToBytes, ZERO_UUID } from '../../base/uuid.js'
import type { LeaderEpoch, Offset } from '../../model/units.js'

export const PROGRESS_FILE = '.progress'
export const SLOT_BYTES = 64
const HEADER_BYTES = SLOT_BYTES
const MAGIC = Buffer.from('partlog\x01', 'latin1')
const HEADER_CRC_AT = 32
const SLOT_CRC_AT = 60
/** More replicas than a folder can have. */
const SLOTS_MAX = 4_000_000

const STATES = ['opening', 'open', 'closed'] as const
const ROLES = ['idle', 'leader', 'follower', 'offline'] as const

/** `opening`: recovery may still cut logs. `closed`: in order; nothing more comes. */
export type OwnerState = (typeof STATES)[number]

export interface ProgressHeader {
  /** The id of this opening of the folder. */
  readonly generation: string
  readonly state: OwnerState
  readonly slots: number
}

/** One replica, as its broker sees it. */
export interface ReplicaProgress {
  readonly topicId: string
  readonly partition: number
  readonly broker: number
  readonly leaderEpoch: LeaderEpoch
  /** Changes when segments were deleted, replaced or cut. */
  readonly layout: number
  readonly logStartOffset: Offset
  /** Records below are committed: nothing the owner does takes them back. */
  readonly highWatermark: Offset
  readonly logEndOffset: Offset
  readonly role: (typeof ROLES)[number]
}

export function slotPosition(slot: number): number {
  return HEADER_BYTES + slot * SLOT_BYTES
}

export function encodeHeader({ generation, state, slots }: ProgressHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(bytes)
  idBytes(generation).copy(bytes, 8)
  bytes[24] = STATES.indexOf(state)
  putInt32(bytes, slots, 28)
  putInt32(bytes, crc32c(bytes, 0, HEADER_CRC_AT) | 0, HEADER_CRC_AT)
  return bytes
}

export function encodeSlot(replica: ReplicaProgress): Buffer {
  const bytes = Buffer.alloc(SLOT_BYTES)
  idBytes(replica.topicId).copy(bytes)
  putInt32(bytes, replica.partition, 16)
  putInt32(bytes, replica.broker, 20)
  putInt32(bytes, replica.leaderEpoch, 24)
  putInt32(bytes, replica.layout | 0, 28)
  putInt64(bytes, replica.logStartOffset, 32)
  putInt64(bytes, replica.highWatermark, 40)
  putInt64(bytes, replica.logEndOffset, 48)
  bytes[56] = ROLES.indexOf(replica.role)
  putInt32(bytes, crc32c(bytes, 0, SLOT_CRC_AT) | 0, SLOT_CRC_AT)
  return bytes
}

/** Undefined if the bytes are no header: the file is being written, or is something else. */
export function decodeHeader(bytes: Buffer): ProgressHeader | undefined {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    return undefined
  }
  if (getUint32(bytes, HEADER_CRC_AT) !== crc32c(bytes, 0, HEADER_CRC_AT)) return undefined
  const state = STATES[bytes[24] as number]
  const slots = getInt32(bytes, 28)
  if (state === undefined || slots < 0 || slots > SLOTS_MAX) return undefined
  const generation = uuidFromBytes(bytes.subarray(8, 8 + UUID_BYTES))
  return { generation, state, slots }
}

/** Undefined if the slot is empty, or is being written at the moment. */
export function decodeSlot(bytes: Buffer, at: number): ReplicaProgress | undefined {
  if (at + SLOT_BYTES > bytes.length) return undefined
  const slot = bytes.subarray(at, at + SLOT_BYTES)
  if (getUint32(slot, SLOT_CRC_AT) !== crc32c(slot, 0, SLOT_CRC_AT)) return undefined
  const topicId = uuidFromBytes(slot.subarray(0, UUID_BYTES))
  const role = ROLES[slot[56] as number]
  if (topicId === ZERO_UUID || role === undefined) return undefined
  return {
    topicId,
    partition: getInt32(slot, 16),
    broker: getInt32(slot, 20),
    leaderEpoch: getInt32(slot, 24),
    layout: getUint32(slot, 28),
    logStartOffset: getInt64(slot, 32),
    highWatermark: getInt64(slot, 40),
    logEndOffset: getInt64(slot, 48),
    role,
  }
}

function idBytes(id: string): Buffer {
  return uuidToBytes(id) ?? Buffer.alloc(UUID_BYTES)
}
