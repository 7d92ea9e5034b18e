/* Which records of a replay are wanted: by key, by an expression, by the text of their values. */

import { BoundedRegExp, TOO_SLOW } from '../text/bounded-regexp.js'
import type { ChosenRecord } from './where.js'

export interface FilterOptions {
  readonly keys?: readonly string[] | undefined
  readonly where?: ((record: ChosenRecord) => boolean) | undefined
  /** Records whose value, as text, matches. */
  readonly grep?: RegExp | undefined
}

/** Chooses records of chunks. */
export class RecordFilter {
  readonly #keys: readonly Buffer[] | undefined
  readonly #where: FilterOptions['where']
  readonly #grep: BoundedRegExp | undefined
  /** Records whose values took too long to match: they were left out. */
  tooSlow = 0

  constructor({ keys, where, grep }: FilterOptions) {
    this.#keys = keys?.length ? keys.map(key => Buffer.from(key)) : undefined
    this.#where = where
    this.#grep = grep === undefined ? undefined : new BoundedRegExp(grep)
  }

  /** Does it choose all records? */
  get isOpen(): boolean {
    return this.#keys === undefined && this.#where === undefined && this.#grep === undefined
  }

  chosen<T extends ChosenRecord>(records: readonly T[]): readonly T[] {
    const keys = this.#keys
    let left = records
    if (keys !== undefined) {
      left = left.filter(({ key }) => key !== null && keys.some(each => each.equals(key)))
    }
    const where = this.#where
    if (where !== undefined) left = left.filter(record => where(record))
    return this.#grep === undefined || left.length === 0 ? left : this.#matching(left, this.#grep)
  }

  #matching<T extends ChosenRecord>(records: readonly T[], grep: BoundedRegExp): readonly T[] {
    const matches = grep.matchAll(records.map(({ value }) => textOf(value)))
    this.tooSlow += matches.filter(match => match === TOO_SLOW).length
    return records.filter((_, index) => matches[index] !== null && matches[index] !== TOO_SLOW)
  }
}

function textOf(value: Uint8Array | null): string {
  if (value === null) return ''
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
}
