/**
 * One text in each codec, as Kafka's Java classes and the reference programs write it. Kafka 4.1.0
 * (snappy-java 1.1.10.7, lz4-java 1.8.0, zstd-jni 1.5.6) wrote `snappy`, `lz4`, `lz4-high` (level
 * 12) and `zstd`, and snappy-java alone `snappy-raw`: see test/compat/kafka/Codecs.java. lz4 1.9.4
 * wrote
 * `lz4-checked` (-B7 -BI -BX --content-size).
 */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = new URL('codecs/', import.meta.url)

export function goldenStream(name: string): Buffer {
  return readFileSync(fileURLToPath(new URL(name, FOLDER)))
}

const line = (n: number): string =>
  `line ${n} of a text about order ${(n * 7919) % 1000}, ${n % 7}\n`

/** 84,444 bytes: more than one block of Kafka's snappy (32 KiB) and lz4 (64 KiB). */
export const LINES = Buffer.from(Array.from({ length: 2_200 }, (_, n) => line(n)).join(''))
