/* Errors of system calls as DiskErrors, with the code and the file. */

import { constants as system } from 'node:os'
import { DiskError } from './disk.js'

/** What was being done, for the sentence of the error. */
export interface Place {
  readonly operation: string
  readonly path: string
  /** The disk's root. */
  readonly location: string
}

/** Runs a system call; an error it throws becomes a DiskError. */
export function attempt<T>(place: Place, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw asDiskError(error, place)
  }
}

/** Like `attempt`, for asynchronous calls. */
export async function attempted<T>(place: Place, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw asDiskError(error, place)
  }
}

/** A DiskError if the error has a system code; any other error unchanged. */
export function asDiskError(error: unknown, place: Place): unknown {
  if (error instanceof DiskError) return error
  const code = nameOf(error as NodeJS.ErrnoException)
  return code === undefined ? error : diskError(code, place, error)
}

export function diskError(code: string, place: Place, cause?: unknown): DiskError {
  const { operation, path, location } = place
  return new DiskError(code, operation, path, { cause, location })
}

/** Names by the system's numbers: libuv has no name for some, such as EDQUOT. */
const NAME_BY_NUMBER = new Map(Object.entries(system.errno).map(([name, number]) => [number, name]))

/**
 * The system's name for an error; undefined if the error is not the system's.
 *
 * Node calls an error that libuv does not know UNKNOWN, or "Unknown system error -122".
 */
export function nameOf({ code, errno }: NodeJS.ErrnoException): string | undefined {
  if (typeof code !== 'string') return undefined
  if (!/^unknown/i.test(code) || errno === undefined) return code
  return NAME_BY_NUMBER.get(Math.abs(errno)) ?? code
}
