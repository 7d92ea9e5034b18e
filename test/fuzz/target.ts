/**
 * A target of the fuzz: code that reads bytes it cannot trust, and what must hold for any bytes.
 *
 *   - It accepts the bytes, or throws an error that it documents. Never a TypeError, a RangeError
 *     or a failed assertion.
 *   - What it accepts has one canonical form: bytes that mean the same and encode to themselves.
 *   - It takes little time and memory, whatever the bytes announce.
 *   - Object.prototype stays as it is.
 */

import type { Random } from '../../src/base/random.js'

export interface Target {
  readonly name: string
  /** Inputs that mean something; they are mutated. Asked for once. */
  readonly seeds: () => readonly Buffer[] | Promise<readonly Buffer[]>
  /** Makes lengths and checksums right again: done to half of the inputs. */
  readonly repair?: (bytes: Buffer, random: Random) => Buffer
  /** Words that mean something in these bytes. */
  readonly words?: readonly string[]
  /** The input is text: it is mutated by characters, too. */
  readonly isText?: boolean
  /** True if the bytes are accepted. Throws a refusal, or anything else, which is a failure. */
  readonly run: (bytes: Buffer) => boolean | Promise<boolean>
  /** Whether an error is a documented refusal. */
  readonly refuses: (error: Error) => boolean
  /** Memory an input may take: so many bytes, and so many more for each byte of the input. */
  readonly memory?: { readonly bytes: number; readonly perByte: number }
  /** Inputs of one `npm test`. */
  readonly inputs: number
}

/** What had to hold did not. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

export function must(holds: boolean, sentence: string | (() => string)): asserts holds {
  if (holds) return
  throw new Broken(typeof sentence === 'string' ? sentence : sentence())
}

/** A PartlogError that names its reason: not the one for what was not expected. */
export function isTyped(error: Error): boolean {
  const { code } = error as Error & { code?: unknown }
  return error.name === 'PartlogError' && code !== 'UNKNOWN_SERVER_ERROR'
}

/** Errors of these names, or a PartlogError. */
export function typedOr(...names: readonly string[]): (error: Error) => boolean {
  return error => isTyped(error) || names.includes(error.name)
}

/** Holds for two Buffers of any size; shows only where they differ. */
export function mustEqual(a: Uint8Array, b: Uint8Array, what: string): void {
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  must(x.equals(y), () => {
    const at = x.findIndex((byte, index) => byte !== y[index])
    const place = at < 0 ? Math.min(x.length, y.length) : at
    return `${what}: ${x.length} and ${y.length} bytes, which differ at byte ${place}`
  })
}

/** Plain data as text, to compare it: bytes as hex, bigints as digits. */
export function shown(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') return `${part}n`
    if (typeof part === 'number' && !Number.isFinite(part)) return String(part)
    if (part instanceof Map) return [...part]
    if (part instanceof Uint8Array) return Buffer.from(part).toString('hex')
    const json = part as { type?: unknown; data?: unknown } | null
    const isBuffer = typeof json === 'object' && json?.type === 'Buffer' && Array.isArray(json.data)
    return isBuffer ? Buffer.from(json.data as number[]).toString('hex') : part
  })
}
