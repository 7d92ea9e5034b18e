/**
 * Every message that is served, in every version, as bytes that were written from Kafka's own
 * message definitions (4.x) and not by partlog's schema. A line of messages.txt:
 *
 *   name version [null:field | refuses:field] bytes
 *
 * Each string and byte field holds its own name, each number `numberOf` its name, each array one
 * element; `null` says that the field is null there, `refuses` that it must not be.
 */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface MessageVector {
  readonly name: string
  readonly version: number
  readonly nullField: string | undefined
  readonly isRefused: boolean
  readonly bytes: Buffer
}

export const MESSAGES: readonly MessageVector[] = readFileSync(
  fileURLToPath(new URL('messages.txt', import.meta.url)),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map(line => {
    const [name = '', version, ...rest] = line.split(' ')
    const [kind, nullField] = rest.length > 1 ? (rest[0] as string).split(':') : []
    const bytes = Buffer.from(rest.at(-1) as string, 'hex')
    return { name, version: Number(version), nullField, isRefused: kind === 'refuses', bytes }
  })

/** From 1 to 120. */
export function numberOf(name: string): number {
  return 1 + ([...name].reduce((sum, c, at) => sum + c.charCodeAt(0) * (at + 1), 0) % 120)
}
