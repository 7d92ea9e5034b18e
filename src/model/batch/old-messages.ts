/*
 * Messages of Kafka before 0.11 (formats 0 and 1), which old segments still hold: rewritten as
 * batches, so that every reader of batches reads them.
 *
 *   0        8      12    16      17           18            then int32 size and bytes, twice:
 *   ├────────┼──────┼─────┼───────┼────────────┼────────────┼─────┬───────┐
 *   │ offset │ size │ crc │ magic │ attributes │ timestamp  │ key │ value │
 *                                                format 1
 *
 * - `size` counts the bytes after it. The CRC-32 covers what comes after it. A size of −1 is null.
 * - attributes: codec (3 bits), append time (1 bit, format 1). The value of a compressed message is
 *   a stream of messages. Its own offset is that of the last of them; the offsets of those are
 *   absolute in format 0, and relative to each other in format 1.
 * - With append time, all messages of a stream have the timestamp of the message round it. Messages
 *   of format 0 have none (−1).
 * - In lz4 of format 0 any checksum of the frame's header is right (Kafka before 0.10).
 */

import { getInt32, getInt64, getUint32 } from '../../base/bytes.js'
import { crc32 } from './crc32.js'
import { PartlogError } from '../errors.js'
import { NONE, type Offset, type Timestamp } from '../units.js'
import { BatchBuilder } from './batch-builder.js'
import { assignOffset, Batch, BATCH_HEADER_BYTES, MAGIC_AT, stampLogAppendTime } from './batch.js'
import { decompressOld } from './compression.js'
import { recordSizeMax } from './record-writer.js'

const SIZE_AT = 8
const OVERHEAD_BYTES = 12
const CRC_AT = 12
const ATTRIBUTES_AT = 17
const TIMESTAMP_AT = 18
const TIMESTAMP_BYTES = 8
const FIELD_SIZE_BYTES = 4
const CODEC_BITS = 0b111
const APPEND_TIME_BIT = 0b1000
/** A CRC, magic, attributes and two sizes. */
const MESSAGE_BYTES_MIN = 14

interface Message {
  readonly magic: number
  readonly attributes: number
  readonly offset: Offset
  readonly timestamp: Timestamp
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Where the next message begins. */
  readonly end: number
}

/** What can be read as batches, and why the rest cannot. */
export interface Upgraded {
  readonly bytes: Buffer
  readonly failure?: PartlogError | undefined
}

/** True if the bytes begin with a message of an old format. */
export function beginsOld(bytes: Uint8Array): boolean {
  return bytes.length > MAGIC_AT && (bytes[MAGIC_AT] as number) < 2
}

/**
 * The same records in batches. Old messages come before all batches: a log changes its format once.
 * A message that is cut off at the end is left out.
 */
export function upgraded(bytes: Buffer): Upgraded {
  const batches: Buffer[] = []
  let at = 0
  try {
    while (beginsOld(bytes.subarray(at)) && isWhole(bytes, at)) {
      const message = messageAt(bytes, at)
      batches.push(...batchesOf(message))
      at = message.end
    }
  } catch (error) {
    return { bytes: Buffer.concat(batches), failure: error as PartlogError }
  }
  return { bytes: Buffer.concat([...batches, bytes.subarray(at)]) }
}

function isWhole(bytes: Buffer, at: number): boolean {
  const size = getInt32(bytes, at + SIZE_AT)
  if (size < MESSAGE_BYTES_MIN) throw broken(bytes, at, `its size is ${size}`)
  return size <= bytes.length - at - OVERHEAD_BYTES
}

/** Reads a whole message. Every size is checked before it is used. */
function messageAt(bytes: Buffer, at: number): Message {
  const end = at + OVERHEAD_BYTES + getInt32(bytes, at + SIZE_AT)
  if (crc32(bytes, at + MAGIC_AT, end) !== getUint32(bytes, at + CRC_AT)) {
    throw broken(bytes, at, 'CRC-32 does not match')
  }
  const magic = bytes[at + MAGIC_AT] as number
  const keyAt = at + TIMESTAMP_AT + (magic === 0 ? 0 : TIMESTAMP_BYTES)
  const valueAt = afterField(bytes, keyAt, end)
  const next = afterField(bytes, valueAt, end)
  if (next !== end) throw broken(bytes, at, 'its fields do not fill it')
  return {
    magic,
    attributes: bytes[at + ATTRIBUTES_AT] as number,
    offset: getInt64(bytes, at),
    timestamp: magic === 0 ? NONE : getInt64(bytes, at + TIMESTAMP_AT),
    key: fieldAt(bytes, keyAt),
    value: fieldAt(bytes, valueAt),
    end,
  }
}

/** Where a field ends; beyond `end` if it does not fit. */
function afterField(bytes: Buffer, at: number, end: number): number {
  if (at > end - FIELD_SIZE_BYTES) return Infinity
  const size = getInt32(bytes, at)
  return size < NONE ? Infinity : at + FIELD_SIZE_BYTES + Math.max(size, 0)
}

function fieldAt(bytes: Buffer, at: number): Buffer | null {
  const size = getInt32(bytes, at)
  const start = at + FIELD_SIZE_BYTES
  return size === NONE ? null : bytes.subarray(start, start + size)
}

/** The batches of a message: one for each run of offsets without a gap. */
function batchesOf(outer: Message): Buffer[] {
  const { attributes, timestamp, magic } = outer
  const inner = (attributes & CODEC_BITS) === 0 ? [outer] : unpackedMessages(outer)
  const isStamped = magic === 1 && (attributes & APPEND_TIME_BIT) !== 0
  const batches: Buffer[] = []
  for (let from = 0; from < inner.length;) {
    let to = from + 1
    while (to < inner.length && offsetOf(inner, to) === offsetOf(inner, to - 1) + 1) to++
    const batch = batchOf(inner.slice(from, to))
    if (isStamped) stampLogAppendTime(batch, timestamp)
    batches.push(batch.buffer)
    from = to
  }
  return batches
}

function offsetOf(messages: readonly Message[], index: number): Offset {
  return (messages[index] as Message).offset
}

function batchOf(messages: readonly Message[]): Batch {
  const bytes = messages.reduce((sum, { key, value }) => sum + recordSizeMax(key, value, []), 0)
  const builder = new BatchBuilder(Buffer.allocUnsafe(BATCH_HEADER_BYTES + bytes))
  for (const { timestamp, key, value } of messages) builder.tryAppend(timestamp, key, value, [])
  const batch = new Batch(builder.build(), 0)
  assignOffset(batch, offsetOf(messages, 0), NONE)
  return batch
}

/** The messages in a compressed one, with the offsets they have in the log. */
function unpackedMessages(outer: Message): Message[] {
  const { attributes, magic, offset, value } = outer
  if (value === null) throw damaged(offset, 'it is compressed, and has no value')
  const stream = decompressOld(attributes & CODEC_BITS, value, magic)
  const messages: Message[] = []
  for (let at = 0; at < stream.length;) {
    const isMessage = stream.length - at > MAGIC_AT && beginsOld(stream.subarray(at))
    if (!isMessage || !isWhole(stream, at)) throw damaged(offset, 'a message in it is cut off')
    const message = messageAt(stream, at)
    if ((message.attributes & CODEC_BITS) !== 0) throw damaged(offset, 'a stream in a stream')
    messages.push(message)
    at = message.end
  }
  const last = messages.at(-1)
  if (last === undefined) throw damaged(offset, 'it is compressed, and holds nothing')
  const shift = magic === 0 ? 0 : offset - last.offset
  if (shift === 0) return messages
  return messages.map(message => ({ ...message, offset: message.offset + shift }))
}

function broken(bytes: Buffer, at: number, why: string): PartlogError {
  return damaged(getInt64(bytes, at), why)
}

function damaged(offset: Offset, why: string): PartlogError {
  const sentence = `the message of an old format at offset ${offset} is damaged: ${why}`
  return new PartlogError('CORRUPT_MESSAGE', sentence)
}
