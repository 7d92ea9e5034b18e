/** Batches, and the numbers of producers. */

import { crc32c } from '../../../src/base/checksums/crc32c.js'
import { BatchBuilder, type BatchOptions } from '../../../src/model/batch/batch-builder.js'
import { writeHeader } from '../../../src/model/batch/batch.js'
import type { Request } from '../../../src/protocol/api.js'
import { ends, NO_TOPIC, type Place } from './place.js'

function batch(times: readonly number[], options?: BatchOptions): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(4096))
  for (const time of times) builder.tryAppend(time, 'k', 'value', [['h', 'v']])
  return Buffer.from(builder.build(options))
}

type Header = Parameters<typeof writeHeader>[3]

export async function produce({ ask, now }: Place): Promise<void> {
  const records = (title: string, bytes: Uint8Array, more: object = {}, version = 11) => {
    const { name = 'orders', index = 0, ...fields } = more as { name?: string; index?: number }
    const data = { name, partitionData: [{ index, records: bytes }] }
    return ask(title, 'Produce', version, {
      acks: -1,
      timeoutMs: 5_000,
      topicData: [data],
      ...fields,
    } as Request<'Produce'>)
  }
  const good = batch([now, now + 1])
  const broken = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = batch([now, now + 1])
    change(bytes)
    return bytes
  }
  const headed = (header: Partial<Header>): Buffer => {
    const bytes = batch([now, now + 1])
    const usual = { lastOffsetDelta: 1, recordsCount: 2, baseTimestamp: now, maxTimestamp: now + 1 }
    writeHeader(bytes, 0, bytes.length, { ...usual, ...header })
    return bytes
  }
  for (const version of ends('Produce')) await records('two records', good, {}, version)
  await records('acks 1', good, { acks: 1 })
  for (const acks of [2, -2]) await records(`acks ${acks}`, good, { acks })
  await records('nothing', good, { topicData: [] })
  await records('a topic that is not there', good, { name: NO_TOPIC })
  await records('a name that is none', good, { name: 'a b' })
  await records('an empty name', good, { name: '' })
  for (const index of [3, -1]) await records(`partition ${index}`, good, { index })
  await records('no bytes', Buffer.alloc(0))
  await records('half a batch', good.subarray(0, 40))
  await records('a batch without its end', good.subarray(0, good.length - 1))
  await records('one more byte', Buffer.concat([good, Buffer.alloc(1)]), { name: 'a.b' })
  await records('two batches', Buffer.concat([good, good]))
  await records(
    'a wrong checksum',
    broken(bytes => void (bytes[17]! ^= 1)),
  )
  for (const magic of [0, 1, 3]) {
    await records(
      `magic ${magic}`,
      broken(bytes => void (bytes[16] = magic)),
    )
  }
  await records('a base offset', headed({ baseOffset: 7 }))
  await records('an epoch of its own', headed({ leaderEpoch: 7 }))
  await records('fewer records than it says', headed({ recordsCount: 3, lastOffsetDelta: 2 }))
  await records('more records than it says', headed({ recordsCount: 1, lastOffsetDelta: 0 }))
  await records('no records, it says', headed({ recordsCount: 0 }))
  await records('a negative count', headed({ recordsCount: -1 }))
  await records('another last offset', headed({ lastOffsetDelta: 5 }))
  await records('a control batch', headed({ isControl: true }))
  await records('append time', headed({ timestampType: 'LogAppendTime' }), { name: 'a.b' })
  await records('a wrong newest time', headed({ maxTimestamp: now + 500 }))
  await records('records of tomorrow', batch([now + 86_400_000]))
  await records('records of 1970', batch([0]))
  await records('no time', batch([-1]))
  await records('gzip', batch([now], { codec: 'gzip' }))
  await records(
    'a damaged stream',
    broken(bytes => {
      const usual = { lastOffsetDelta: 1, recordsCount: 2, baseTimestamp: now, maxTimestamp: now }
      writeHeader(bytes, 0, bytes.length, { ...usual, codec: 'gzip' })
    }),
    { name: 'a.b' },
  )
  const zstd = headed({})
  zstd.writeInt16BE(4, 21)
  zstd.writeUInt32BE(crc32c(zstd, 21, zstd.length) >>> 0, 17)
  await records('zstd', zstd, { name: 'a.b' }, 6)
  await numbered({ ask, now })
}

async function numbered({ ask, now }: Pick<Place, 'ask' | 'now'>): Promise<void> {
  const { producerId } = await ask('a producer', 'InitProducerId', 5, { transactionalId: null })
  const send = (
    title: string,
    [producerEpoch, baseSequence]: readonly [number, number],
    id = producerId,
    index = 1,
  ) => {
    const records = batch([now], { producerId: id, producerEpoch, baseSequence })
    return ask(`${title}: ${producerEpoch}:${baseSequence}`, 'Produce', 11, {
      acks: -1,
      timeoutMs: 5_000,
      topicData: [{ name: 'orders', partitionData: [{ index, records }] }],
    })
  }
  await send('the first', [0, 0])
  await send('it again', [0, 0])
  await send('the next', [0, 1])
  await send('one after a gap', [0, 3])
  await send('one that was before', [0, 0])
  for (let sequence = 2; sequence < 7; sequence++) await send('and on', [0, sequence])
  await send('one of long ago', [0, 0])
  await send('one of the last five', [0, 3])
  await send('a later epoch that does not begin', [1, 5])
  await send('a later epoch', [1, 0])
  await send('the epoch before', [0, 7])
  await send('another partition, not from its beginning', [1, 4], producerId, 2)
  await send('an unknown producer, not from its beginning', [0, 4], 9_999)
  await send('an unknown producer from its beginning', [0, 0], 9_998)
  await send('no sequence', [0, -1])
  await send('no epoch', [-1, 0])
  const init = (title: string, version: number, more: object) =>
    ask(title, 'InitProducerId', version, { transactionalId: null, ...more })
  await init('an id that is known', 5, { producerId, producerEpoch: 1 })
  await init('an id without an epoch', 5, { producerId })
  await init('an epoch without an id', 5, { producerEpoch: 3 })
  await init('in an old version', 0, {})
}
