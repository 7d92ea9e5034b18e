/* The assignors of a consumer's `partitionAssignmentStrategy`, and the user data they add. */

import { show } from '../../base/options.js'
import { PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { Assignor } from '../../protocol/assignors/assignor.js'
import { ASSIGNORS } from '../../protocol/assignors/assignors.js'
import { callbackError } from '../line/client-errors.js'

/**
 * The name of a built-in assignor: Kafka's, and 'RoundRobinAssigner' of kafkajs for groups with
 * kafkajs members.
 */
export type AssignorName = keyof typeof ASSIGNORS

export function isListOfAssignors(given: unknown): given is readonly (AssignorName | Assignor)[] {
  return Array.isArray(given) && given.length > 0 && given.every(isAssignor)
}

function isAssignor(given: unknown): boolean {
  if (typeof given === 'string') return Object.hasOwn(ASSIGNORS, given)
  if (typeof given !== 'object' || given === null) return false
  const { name, protocol, assign } = given as Partial<Assignor>
  const isKnown = protocol === 'eager' || protocol === 'cooperative'
  return typeof name === 'string' && name !== '' && isKnown && typeof assign === 'function'
}

/** The assignors of the option. Throws INVALID_CONFIG when two have the same name. */
export function assignorsOf(given: readonly (AssignorName | Assignor)[]): Assignor[] {
  const assignors = given.map(each => (typeof each === 'string' ? ASSIGNORS[each] : each))
  const names = new Set(assignors.map(({ name }) => name))
  if (names.size === assignors.length) return assignors
  const sentence = 'partitionAssignmentStrategy: two assignors have the same name'
  throw new PartlogError('INVALID_CONFIG', sentence)
}

/** The assignor's user data; the assignor may be the application's. */
export function userDataOf(
  assignor: Assignor,
  given: readonly TopicPartition[],
  generationId: number,
): Uint8Array | undefined {
  const what = `userData of assignor "${assignor.name}"`
  let bytes: unknown
  try {
    bytes = assignor.userData?.(given, generationId)
  } catch (error) {
    throw callbackError(what, error)
  }
  if (bytes === undefined || bytes instanceof Uint8Array) return bytes
  throw new PartlogError('CALLBACK_FAILED', `${what} returned ${show(bytes)}, expected bytes`)
}
