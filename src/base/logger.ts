/** Where the library reports what nobody awaits. Silent unless the user passes a logger. */

export type LogFields = Readonly<Record<string, unknown>>

/**
 * What partlog calls to report background facts (recovery, offline partitions, retention).
 * `console` fits this shape. A normal course of events is never logged above `info`.
 */
export interface Logger {
  debug(sentence: string, fields?: LogFields): void
  info(sentence: string, fields?: LogFields): void
  warn(sentence: string, fields?: LogFields): void
  error(sentence: string, fields?: LogFields): void
}

const nothing = (): void => undefined

export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
}
