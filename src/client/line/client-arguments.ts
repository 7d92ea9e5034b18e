/* Checks of the arguments that all clients take. */

import { hasMethods, show, unknownKey } from '../../base/options.js'
import { PartlogError } from '../../model/errors.js'
import { checkPartition, checkTopicName, type TopicPartition } from '../../model/names.js'

/** Checks that an object has only these fields: a misspelt field would be ignored otherwise. */
export function checkFields(given: unknown, what: string, names: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidArgument(what, 'an object', given)
  }
  // Not Object.keys: this way a call costs no list.
  for (const name in given) {
    if (names.includes(name)) continue
    throw new PartlogError('INVALID_ARGUMENT', unknownKey(`${what} field`, name, names))
  }
}

export function checkFlag(given: unknown, what: string): void {
  if (given !== undefined && typeof given !== 'boolean') {
    throw invalidArgument(what, 'true or false', given)
  }
}

export function checkText(given: unknown, what: string): void {
  if (typeof given !== 'string') throw invalidArgument(what, 'text', given)
}

export function checkSignal(given: unknown): void {
  // Not by class: a test environment may bring its own.
  if (given === undefined || hasMethods('addEventListener', 'removeEventListener')(given)) return
  throw invalidArgument('signal', 'an AbortSignal', given)
}

export function checkList(given: unknown, what: string): asserts given is Iterable<unknown> {
  const isList = typeof given === 'object' && given !== null && Symbol.iterator in given
  if (!isList) throw invalidArgument(what, 'a list', given)
}

/** Other fields are allowed, so that a record can be passed as its partition. */
export function checkTopicPartition(given: unknown): asserts given is TopicPartition {
  if (typeof given !== 'object' || given === null) {
    throw invalidArgument('partition', '{ topic, partition }', given)
  }
  const { topic, partition } = given as Partial<TopicPartition>
  checkTopicName(topic)
  checkPartition(partition)
}

export function checkPartitions(given: unknown): asserts given is readonly TopicPartition[] {
  if (!Array.isArray(given)) throw invalidArgument('partitions', 'an array', given)
  for (const each of given as readonly unknown[]) checkTopicPartition(each)
}

export function invalidArgument(what: string, expected: string, got: unknown): PartlogError {
  return new PartlogError('INVALID_ARGUMENT', `${what}: expected ${expected}, got ${show(got)}`)
}

/** Milliseconds since 1970. Throws INVALID_TIMESTAMP. */
export function checkedTime(timestamp: unknown): number {
  const ms = timestamp instanceof Date ? timestamp.getTime() : timestamp
  if (Number.isSafeInteger(ms) && (ms as number) >= 0) return ms as number
  const got = show(timestamp)
  throw new PartlogError('INVALID_TIMESTAMP', `expected milliseconds since 1970, got ${got}`)
}
