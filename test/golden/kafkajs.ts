/** Batches as kafkajs writes them, with what is in them; test/compat makes the file. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** null, text, or text that is too long to be written out. */
type Content = string | null | { readonly repeat: string; readonly times: number }

interface StoredCase {
  readonly name: string
  readonly batch: GoldenBatch['batch']
  readonly records: readonly {
    readonly timestamp: number
    readonly key: Content
    readonly value: Content
    readonly headers: Readonly<Record<string, string | readonly string[]>>
  }[]
  readonly bytes: string
}

export interface GoldenRecord {
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string])[]
}

export interface GoldenBatch {
  readonly name: string
  readonly batch: {
    readonly codec: 'none' | 'gzip'
    readonly partitionLeaderEpoch: number
    readonly producerId: number
    readonly producerEpoch: number
    readonly firstSequence: number
    readonly transactional: boolean
  }
  readonly records: readonly GoldenRecord[]
  readonly bytes: Buffer
}

const FILE = fileURLToPath(new URL('kafkajs-batches.json', import.meta.url))

export const KAFKAJS_BATCHES: readonly GoldenBatch[] = (
  JSON.parse(readFileSync(FILE, 'utf8')) as StoredCase[]
).map(({ name, batch, records, bytes }) => ({
  name,
  batch,
  bytes: Buffer.from(bytes, 'hex'),
  records: records.map(({ timestamp, key, value, headers }) => ({
    timestamp,
    key: textOf(key),
    value: textOf(value),
    headers: Object.entries(headers).flatMap(([name, values]) =>
      [values].flat().map(value => [name, value] as const),
    ),
  })),
}))

function textOf(content: Content): string | null {
  if (content === null || typeof content === 'string') return content
  return content.repeat.repeat(content.times)
}
