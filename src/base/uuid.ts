/*
 * Ids of 128 bits as Kafka writes them: URL-safe base64 without padding, 22 characters. The ids 0
 * (none) and 1 (the metadata topic) are reserved. No id begins with '-', so that none looks like an
 * option on a command line.
 */

import type { Random } from './random.js'

export const UUID_BYTES = 16

/** "No id": sixteen zero bytes. */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'
/** The id of the cluster metadata topic. */
export const METADATA_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

const UUID_TEXT = /^[A-Za-z0-9_-]{21}[AQgw]$/

/** A fresh random id (RFC 4122, version 4). */
export function randomUuid(random: Random): string {
  for (;;) {
    const bytes = random.bytes(UUID_BYTES)
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
    const text = uuidFromBytes(bytes)
    if (!text.startsWith('-')) return text
  }
}

export function uuidFromBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

/** The sixteen bytes of an id; undefined for text that is not an id. */
export function uuidToBytes(text: string): Buffer | undefined {
  return UUID_TEXT.test(text) ? Buffer.from(text, 'base64url') : undefined
}

/** The id as 32 hexadecimal digits, for file names. */
export function uuidHex(text: string): string {
  return Buffer.from(text, 'base64url').toString('hex')
}
