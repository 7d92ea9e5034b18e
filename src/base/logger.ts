/** Where the library reports what nobody awaits. Silent unless the user passes a logger. */

/** What a report names beside its sentence: an `error`, a place, numbers. */
export type LogFields = Readonly<Record<string, unknown>>

/**
 * What partlog calls to report background facts (recovery, offline partitions, retention).
 * `console` fits this shape. A normal course of events is never logged above `info`.
 */
export interface Logger {
  /** What helps to follow a run step by step. */
  debug(sentence: string, fields?: LogFields): void
  /** What happens in the normal course of events. */
  info(sentence: string, fields?: LogFields): void
  /** What goes on, but not as it should: a disk without room, a request tried again. */
  warn(sentence: string, fields?: LogFields): void
  /** What does not go on by itself: a log that is offline. */
  error(sentence: string, fields?: LogFields): void
}

const nothing = (): void => undefined

/** A logger that throws must not break what it is told about. */
export function unbreakable(logger: Logger): Logger {
  const safely =
    (level: keyof Logger) =>
    (message: string, fields?: LogFields): void => {
      try {
        logger[level](message, fields)
      } catch {
        // There is nobody else to be told.
      }
    }
  return {
    debug: safely('debug'),
    info: safely('info'),
    warn: safely('warn'),
    error: safely('error'),
  }
}

/** Tells people whose program has no logger; Node writes it to stderr, or tells 'warning'. */
export function warnPeople(sentence: string): void {
  process.emitWarning(sentence, 'PartlogWarning')
}

export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
}
