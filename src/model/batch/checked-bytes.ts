/*
 * Which bytes were checked after they were read. The log reader notes the bytes of whose batches it
 * has just compared every checksum; a consumer that gets the very same object, in the same process,
 * does not compare them again. Bytes that come over a wire, or that a copy was made of, are others.
 *
 * A log compares a byte once per process, the consumer each time it reads it: so every byte that a
 * consumer decodes was compared once since it was read, also when it rots between two reads.
 */

const checked = new WeakSet<Uint8Array>()

/** Every checksum in these bytes was compared, and they are not going to change. */
export function noteChecked(bytes: Uint8Array): void {
  checked.add(bytes)
}

export function isChecked(bytes: Uint8Array): boolean {
  return checked.has(bytes)
}
