/* The errors of a log. */

import type { DiskError } from '../../disk/disk.js'
import { PartlogError } from '../../model/errors.js'
import type { Position } from '../../model/units.js'

/** Bytes are not what was written. */
export function corruptLog(name: string, what: string): PartlogError {
  return new PartlogError(
    'CORRUPT_LOG',
    `${name} is offline, nothing was deleted: ${what}. Restore the file from a copy, or open ` +
      "with onCorruption: 'truncate' to discard everything from there on",
  )
}

/** A small file lacks what it must contain; it is not changed. */
export function damagedFile(path: string, what: string): PartlogError {
  const sentence = `${path} is damaged, it ${what}; nothing was changed. Restore it from a copy`
  return new PartlogError('CORRUPT_LOG', sentence)
}

/** A sync or a write has failed: what it left on the medium is unknown. */
export function offlineError(name: string, cause: Error): PartlogError {
  return new PartlogError(
    'LOG_OFFLINE',
    `${name} is offline until it is opened again: ${cause.message}`,
    { cause, outcomeUnknown: true },
  )
}

/** Something has run out that may become available again. */
export function refusedAppend(name: string, cause: DiskError): PartlogError {
  const sentence = `${name}: nothing was appended: ${cause.message}; reading continues`
  return new PartlogError('KAFKA_STORAGE_ERROR', sentence, { cause })
}

/** A log is not open yet, because something has run out. */
export function unopenedError(name: string, cause: DiskError): PartlogError {
  const sentence = `${name} cannot be opened yet: ${cause.message}; it will be retried`
  return new PartlogError('KAFKA_STORAGE_ERROR', sentence, { cause })
}

/** Appended records are not synced yet, because something has run out. */
export function stalledError(name: string, cause: DiskError): PartlogError {
  const what = 'appended records are not durable yet'
  const sentence = `${name}: ${what}: ${cause.message}; it will be retried`
  return new PartlogError('KAFKA_STORAGE_ERROR', sentence, { cause, outcomeUnknown: true })
}

export function readError(name: string, cause: DiskError): PartlogError {
  return new PartlogError('KAFKA_STORAGE_ERROR', `${name}: ${cause.message}`, { cause })
}

/** A log neither reads nor appends while it is truncated. */
export function truncatingError(name: string): PartlogError {
  const sentence = `${name} is being truncated to where it agrees with its leader`
  return new PartlogError('NOT_LEADER_OR_FOLLOWER', sentence)
}

export function closedError(name: string): PartlogError {
  return new PartlogError('CLOSED', `${name} is closed`)
}

/** Bytes in a segment that are not what was written. */
export class DamagedBytesError extends Error {
  override readonly name = 'DamagedBytesError'

  constructor(file: string, position: Position, reason: string) {
    super(`${file} at position ${position}: ${reason}`)
  }
}
