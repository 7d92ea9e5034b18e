/** The inner parts of kafkajs that these tests use; its package exports none of them. */

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

const Decoder = require('kafkajs/src/protocol/decoder')
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0')
const decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder')
const encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0')
const { Types } = require('kafkajs/src/protocol/message/compression')
const crc32C = require('kafkajs/src/protocol/recordBatch/crc32C')
const createPartitioner = require('kafkajs/src/producer/partitioners/default')

export const murmur2 = require('kafkajs/src/producer/partitioners/default/murmur2')

/** A record batch as kafkajs writes it. */
export async function encode({ codec, firstTimestamp, records, ...fields }) {
  const encoder = await RecordBatch({
    ...fields,
    compression: codec === 'gzip' ? Types.GZIP : Types.None,
    firstTimestamp,
    lastOffsetDelta: records.length - 1,
    records: records.map(({ timestamp, key, value, headers }, offsetDelta) =>
      encodeRecord({
        offsetDelta,
        timestampDelta: timestamp - firstTimestamp,
        key,
        value,
        headers,
      }),
    ),
  })
  return encoder.buffer
}

/** The batches in `bytes` as kafkajs reads them. */
export async function decodeAll(bytes) {
  const decoder = new Decoder(bytes)
  const batches = []
  while (decoder.offset < bytes.length) batches.push(await decodeBatch(decoder))
  return batches
}

/** Is the CRC of the first batch in `bytes` right? kafkajs does not look when it reads. */
export function crcIsRight(bytes) {
  const end = bytes.readInt32BE(8) + 12
  return bytes.readUInt32BE(17) === crc32C(bytes.subarray(21, end)) >>> 0
}

/** The partition kafkajs sends a key to. */
export function partitionerOf(partitionCount) {
  const choose = createPartitioner()
  const partitionMetadata = Array.from({ length: partitionCount }, (_, partitionId) => ({
    partitionId,
    leader: 0,
  }))
  return key => choose({ topic: 'any', partitionMetadata, message: { key } })
}
