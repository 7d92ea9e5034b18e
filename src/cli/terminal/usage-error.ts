/* The error of a wrong command line. */

/** The command line is wrong: its message says in one line what was expected. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
