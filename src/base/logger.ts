/* Reports of background work that no call awaits. Silent unless the user passes a logger. */

/** The fields of a report next to its sentence: an `error`, a place, numbers. */
export type LogFields = Readonly<Record<string, unknown>>

/**
 * partlog calls it to report background facts (recovery, offline partitions, retention).
 * `console` has this shape. Normal events are never logged above `info`.
 */
export interface Logger {
  /** Details to follow a run step by step. */
  debug(sentence: string, fields?: LogFields): void
  /** Normal events. */
  info(sentence: string, fields?: LogFields): void
  /** Work continues, but something is wrong: a disk without room, a request tried again. */
  warn(sentence: string, fields?: LogFields): void
  /** Something has stopped and needs attention: a log that is offline. */
  error(sentence: string, fields?: LogFields): void
}

const nothing = (): void => undefined

/** Catches what the logger throws: a broken logger must not break the work it reports. */
export function unbreakable(logger: Logger): Logger {
  const safely =
    (level: keyof Logger) =>
    (message: string, fields?: LogFields): void => {
      try {
        logger[level](message, fields)
      } catch {
        // No other logger could report it.
      }
    }
  return {
    debug: safely('debug'),
    info: safely('info'),
    warn: safely('warn'),
    error: safely('error'),
  }
}

/** Warns users without a logger: Node emits 'warning' and by default writes it to stderr. */
export function warnPeople(sentence: string): void {
  process.emitWarning(sentence, 'PartlogWarning')
}

export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
}
