/** The error of a call that cannot be meant: exit code 2. */

/** The words after the command were wrong: one line says what was expected, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
