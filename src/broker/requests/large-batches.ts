/*
 * Batches that are too large to unpack and check within one turn of the event loop.
 *
 *   small    unpacked, checked and appended in one step, while the request has bytes left
 *   large    header checked → its turn in the partition → one of two slots → unpacked in another
 *            thread, or in steps → records checked in steps → checked and appended in one step
 *
 * - The process has two slots, so it unpacks two batches of at most 64 MiB at a time, however many
 *   clients there are, and leaves two of libuv's four threads to files.
 * - Each step checks first that this broker still leads, so a broker that closes stops early; the
 *   append checks everything again.
 * - The batch is appended even if its client has disconnected: the request had arrived.
 */

import { asBuffer } from '../../base/bytes.js'
import type { Clock } from '../../base/clock.js'
import { Limiter } from '../../base/tasks.js'
import type { Batch } from '../../model/batch/batch.js'
import { decompressAside, type Codec } from '../../model/batch/compression.js'
import type { Turn } from '../../model/codecs/codec.js'
import { onlyBatch } from '../../partition/admission.js'
import {
  asInvalid,
  Contents,
  recordsBytesMax,
  TooMuchAtOnce,
  type Unpacking,
} from '../../partition/contents.js'
import type { Partition } from '../../partition/partition.js'

const SLOTS = new Limiter(2)

/** Records and headers that are checked in one turn: about a millisecond of work. */
const RECORDS_PER_TURN = 16_384

/** A batch that could not be appended at once. */
export interface Arrival<T> {
  readonly records: Uint8Array
  /** The producer reuses the buffer when it gives up waiting. */
  readonly isLent: boolean
  /** An append has found that the batch is too large to unpack at once. */
  readonly isLarge: boolean
  /** What has to be asked first, when its turn has come. */
  readonly before?: (() => Promise<void>) | undefined
  /** How much of this request may be unpacked at once. */
  readonly unpacking: Unpacking
  /** Appends in one step. Throws TooMuchAtOnce. */
  readonly append: (records: Uint8Array, unpacking: Unpacking) => T
}

/** Appends a batch after all that arrived before it. */
export function appendInTurn<T>(
  clock: Clock,
  partition: Partition,
  arrival: Arrival<T>,
): Promise<T> {
  const kept = own(arrival)
  const append = (): T | Promise<T> =>
    arrival.isLarge ? appendLarge(clock, partition, kept) : appendNext(clock, partition, kept)
  const { before } = arrival
  return partition.arrivals.run(() => (before === undefined ? append() : before().then(append)))
}

/** Appends at once if the batch is small. */
function appendNext<T>(clock: Clock, partition: Partition, arrival: Arrival<T>): T | Promise<T> {
  try {
    return arrival.append(arrival.records, arrival.unpacking)
  } catch (error) {
    if (!(error instanceof TooMuchAtOnce)) throw error
    return appendLarge(clock, partition, arrival)
  }
}

/** Copies a lent batch: a producer that gives up uses its buffer for other records. */
function own<T>(arrival: Arrival<T>): Arrival<T> {
  return arrival.isLent ? { ...arrival, records: Buffer.from(arrival.records) } : arrival
}

function appendLarge<T>(
  clock: Clock,
  partition: Partition,
  { records, append }: Arrival<T>,
): Promise<T> {
  const checkLeads = (): void => void partition.log
  return SLOTS.run(async () => {
    checkLeads() // it may have waited for its slot
    const batch = onlyBatch(asBuffer(records))
    const turn = async (): Promise<void> => {
      await clock.turn()
      checkLeads()
    }
    const { recordBytesMax } = partition.log.config
    const unpacked = await decompressed(batch, turn, recordsBytesMax(batch, recordBytesMax))
    const contents = new Contents(batch, unpacked, recordBytesMax)
    do await turn()
    while (contents.check(RECORDS_PER_TURN))
    return append(records, { bytesLeft: 0, contents })
  })
}

/** Only compressed batches that can be read get here. */
async function decompressed(
  { codec, payload }: Batch,
  turn: Turn,
  bytesMax: number,
): Promise<Uint8Array> {
  try {
    return await decompressAside(codec as Codec, payload, turn, bytesMax)
  } catch (error) {
    throw asInvalid(error)
  }
}
