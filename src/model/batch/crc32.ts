/*
 * CRC-32 (IEEE 802.3), the checksum of messages before Kafka 0.11. Reflected polynomial
 * 0xEDB88320, initial value and final XOR 0xFFFFFFFF; crc32("123456789") = 0xCBF43926. Rarely
 * needed: one table.
 */

const POLYNOMIAL_REFLECTED = 0xedb88320

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? POLYNOMIAL_REFLECTED : 0)
  return value
})

/** The checksum of `bytes[start, end)` as an unsigned 32-bit integer. */
export function crc32(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1
  for (let at = start; at < end; at++) {
    crc = (TABLE[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}
