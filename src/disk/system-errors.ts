/** Errors of system calls as DiskErrors: which error it is, and on which file. */

import { constants as system } from 'node:os'
import { DiskError } from './disk.js'

/** What was being done, for the error's sentence. */
export interface Place {
  readonly operation: string
  readonly path: string
  /** The disk's root. */
  readonly location: string
}

/** Runs a call of the system; what it throws becomes a DiskError. */
export function attempt<T>(place: Place, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw asDiskError(error, place)
  }
}

/** As `attempt`, for calls that are waited for. */
export async function attempted<T>(place: Place, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw asDiskError(error, place)
  }
}

/** A DiskError where the system says a code; anything else as it is. */
export function asDiskError(error: unknown, place: Place): unknown {
  if (error instanceof DiskError) return error
  const code = nameOf(error as NodeJS.ErrnoException)
  return code === undefined ? error : diskError(code, place, error)
}

export function diskError(code: string, place: Place, cause?: unknown): DiskError {
  const { operation, path, location } = place
  return new DiskError(code, operation, path, { cause, location })
}

/** Names by the system's numbers: libuv has no name for some of them, as EDQUOT. */
const NAME_BY_NUMBER = new Map(Object.entries(system.errno).map(([name, number]) => [number, name]))

/**
 * The system's name for an error; undefined when it is none of the system's.
 *
 * Node calls an error that libuv does not know UNKNOWN, or "Unknown system error -122".
 */
export function nameOf({ code, errno }: NodeJS.ErrnoException): string | undefined {
  if (typeof code !== 'string') return undefined
  if (!/^unknown/i.test(code) || errno === undefined) return code
  return NAME_BY_NUMBER.get(Math.abs(errno)) ?? code
}
