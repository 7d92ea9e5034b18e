/* Durations as people write them: 500ms, 10s, 5m, 2h, 3d, 1w. */

import type { OptionType } from '../../base/options.js'

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** The milliseconds of a text; undefined if it is not a duration. */
export function durationMs(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,10}(?:\.\d{1,6})?)(ms|s|m|h|d|w)$/.exec(text) ?? []
  const factor = UNITS_MS[unit]
  return factor === undefined ? undefined : Math.round(Number(digits) * factor)
}

/** A duration, in milliseconds. */
export const duration: OptionType<number> = {
  expected: 'a duration like 500ms, 10s, 5m, 2h or 3d',
  parse: () => undefined,
  parseText: durationMs,
}
