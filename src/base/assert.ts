/*
 * Assertions state what cannot happen. They stay on in production, carry the values that
 * contradict them, and no code catches them and continues: a log in an impossible state stops.
 * What *can* happen (bad input, a full disk) is a typed error, never an assertion.
 *
 * On the way of every record or append, test first and assert `false`: values that hold then cost
 * nothing.
 */

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws unless `condition` holds. The numbers belong in `values`, not in the sentence. */
export function assert(
  condition: unknown,
  sentence: string,
  values?: Readonly<Record<string, unknown>>,
): asserts condition {
  if (!condition) throw new AssertionError(sentence + describe(values))
}

function describe(values: Readonly<Record<string, unknown>> | undefined): string {
  if (values === undefined) return ''
  const pairs = Object.entries(values).map(([name, value]) => `${name}=${String(value)}`)
  return ` (${pairs.join(', ')})`
}
