/**
 * Whatever a power cut leaves of a log and its snapshots, the producer state after recovery matches
 * the batches in the log. This holds also after the log has grown past the place of the cut.
 */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import type { MemoryDisk } from '../../src/disk/memory-disk.js'
import type { Log } from '../../src/log/store/log.js'
import { BatchBuilder } from '../../src/model/batch/batch-builder.js'
import { Batch, batchesOf } from '../../src/model/batch/batch.js'
import { afterPowerCut, DAMAGES } from '../../src/testing/simulation/power-cut.js'
import { create, FOLDER, open, world, type World } from '../log/helpers.js'

const SMALL = { 'internal.segment.bytes': 300, 'index.interval.bytes': 100 }
const PRODUCERS = [1, 2, 3]

/** Appends batches by producers in turn. Each counts for itself. */
class Writer {
  readonly #sequences = new Map<number, number>()

  write(log: Log, count: number, producerIds: readonly number[]): void {
    for (let n = 0; n < count; n++) {
      const producerId = producerIds[n % producerIds.length] as number
      const sequence = this.#sequences.get(producerId) ?? 0
      const builder = new BatchBuilder(Buffer.alloc(200))
      builder.tryAppend(0, null, 'v', [])
      const options = { producerId, producerEpoch: 0, baseSequence: sequence }
      const batch = new Batch(Buffer.from(builder.build(options)), 0)
      log.append(batch.buffer, [batch], 0, 0)
      this.#sequences.set(producerId, sequence + 1)
    }
  }
}

/** What the log must know: the last batch of each producer, and what comes next. */
async function expectKnown(log: Log, where: string): Promise<void> {
  const bounds = { upTo: log.logEndOffset, maxBytes: 1e6, minOneBatch: true }
  const last = new Map<number, Batch>()
  for (let at = log.logStartOffset; at < log.logEndOffset;) {
    for (const batch of batchesOf(await log.read(at, bounds))) {
      last.set(batch.producerId, batch)
      at = batch.nextOffset
    }
  }
  expect(log.producers.count, where).toBe(last.size)
  for (const batch of last.values()) {
    expect(log.producers.check(batch), where).toMatchObject({ lastOffset: batch.lastOffset })
  }
}

/** Lost sectors of segments this small look like rot: whatever is cut, the producers must fit. */
async function opened(w: World, disk: MemoryDisk): Promise<Log> {
  return (await open({ ...w, disk }, { onCorruption: 'truncate' })).log
}

describe('power cuts', () => {
  it('two power cuts leave the producer state that the batches record', async () => {
    const w = world(SMALL)
    const log = await create(w)
    const writer = new Writer()
    await w.disk.syncDirectory('')
    const start = w.disk.history.length
    writer.write(log, 5, PRODUCERS)
    await log.flush()
    writer.write(log, 9, PRODUCERS)
    await log.checkpoint()
    writer.write(log, 9, [1])
    await log.close()
    let opens = 0
    for (let end = start; end <= w.disk.history.length; end++) {
      for (const damage of DAMAGES) {
        const where = `after operation ${end}, ${damage}`
        const cut = afterPowerCut(w.disk.history.slice(0, end), damage, seededRandom(end))
        const log = await opened(w, cut)
        await expectKnown(log, where)
        // Others write where lost records were, then the power goes again.
        new Writer().write(log, 14, [8, 9])
        if (end % 2 === 0) await log.checkpoint()
        await log.abandon()
        const again = afterPowerCut(cut.history, damage, seededRandom(end))
        await expectKnown(await opened(w, again), `${where}, and once more`)
        opens += 2
      }
    }
    expect(opens).toBeGreaterThan(300)
    expect(w.disk.list(FOLDER).length).toBeGreaterThan(10)
  })
})
