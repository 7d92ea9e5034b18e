/**
 * Batches that hold more than can be unpacked and looked through while the host application waits.
 *
 *   small    unpacked, checked and appended in one step, as long as the request has bytes left
 *   large    headers checked → its turn in the partition → one of two places → unpacked in another
 *            thread → walked through in steps → checked and appended in one step
 *
 * - Two places for the whole process: so much is unpacked at a time, 64 MiB each, whatever the
 *   number of clients; and two of the four threads that files need, too, stay free.
 * - Nothing of the partition is believed across a wait. Whether it still leads is asked before each
 *   step, so a broker that closes does no more of it; the append checks everything again.
 * - It is appended although its client has gone meanwhile: the request had come.
 */

import { asBuffer } from '../../base/bytes.js'
import type { Clock } from '../../base/clock.js'
import { Limiter } from '../../base/tasks.js'
import type { Batch } from '../../model/batch.js'
import { decompressAsync, type SupportedCodec } from '../../model/compression.js'
import { onlyBatch } from '../../partition/admission.js'
import { asInvalid, Contents, TooMuchAtOnce, type Unpacking } from '../../partition/contents.js'
import type { Partition } from '../../partition/partition.js'

const PLACES = new Limiter(2)

/** And headers of them: about a millisecond's work. */
const RECORDS_PER_TURN = 16_384

/** A batch that could not be appended at once. */
export interface Arrival<T> {
  readonly records: Uint8Array
  /** The bytes go back to their producer when it gives up waiting. */
  readonly isLent: boolean
  /** It was tried already, and is too much to be unpacked at once. */
  readonly isLarge: boolean
  /** What may be unpacked at once of this request. */
  readonly unpacking: Unpacking
  /** In one step. Throws TooMuchAtOnce. */
  readonly append: (records: Uint8Array, unpacking: Unpacking) => T
}

/** Appends a batch behind all that came before. */
export function appendInTurn<T>(
  clock: Clock,
  partition: Partition,
  arrival: Arrival<T>,
): Promise<T> {
  const kept = own(arrival)
  return partition.arrivals.run(() =>
    arrival.isLarge ? appendBehind(clock, partition, kept) : appendSoon(clock, partition, kept),
  )
}

/** Its turn has come: it may be a small one. */
function appendSoon<T>(clock: Clock, partition: Partition, arrival: Arrival<T>): T | Promise<T> {
  try {
    return arrival.append(arrival.records, arrival.unpacking)
  } catch (error) {
    if (!(error instanceof TooMuchAtOnce)) throw error
    return appendBehind(clock, partition, arrival)
  }
}

/** A producer that gives up uses its buffer for other records. */
function own<T>(arrival: Arrival<T>): Arrival<T> {
  return arrival.isLent ? { ...arrival, records: Buffer.from(arrival.records) } : arrival
}

function appendBehind<T>(
  clock: Clock,
  partition: Partition,
  { records, append }: Arrival<T>,
): Promise<T> {
  const checkLeads = (): void => void partition.log
  return PLACES.run(async () => {
    checkLeads() // it may have waited for its place
    const batch = onlyBatch(asBuffer(records))
    const contents = new Contents(batch, await decompressed(batch))
    do {
      await clock.turn()
      checkLeads()
    } while (contents.look(RECORDS_PER_TURN))
    return append(records, { bytesLeft: 0, contents })
  })
}

/** Nothing but gzip is ever too much: what else there is stays closed, or is plain. */
async function decompressed({ codec, payload }: Batch): Promise<Uint8Array> {
  try {
    return await decompressAsync(codec as SupportedCodec, payload)
  } catch (error) {
    throw asInvalid(error)
  }
}
