/* Parts of the library that most programs never use: loaded when they are asked for. */

import { PartlogError } from './errors.js'

/**
 * Loads a part. Rejects with KAFKA_STORAGE_ERROR when its file cannot be read: the process has no
 * descriptor left, or another version of the package was put in its place. Node 20 remembers that
 * for as long as the process lives; later ones look again.
 */
export function loadPart<T>(load: () => Promise<T>): Promise<T> {
  return load().catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const sentence =
      `a part of partlog cannot be loaded: ${reason}; ` +
      'if the package was replaced while this process ran, restart it'
    throw new PartlogError('KAFKA_STORAGE_ERROR', sentence, { cause })
  })
}
