/** The golden vectors: output of Kafka's own classes, one per line of vectors.txt. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const LINES = readFileSync(fileURLToPath(new URL('vectors.txt', import.meta.url)), 'utf8')
  .split('\n')
  .filter(line => line !== '')

/** The bytes on the line that starts with `name`. */
export function vector(name: string): Buffer {
  const line = LINES.find(candidate => candidate.startsWith(`${name} `))
  if (line === undefined) throw new Error(`no golden vector ${name}`)
  return Buffer.from(line.slice(name.length + 1), 'hex')
}

/** The rest of every line that starts with `name`. */
export function vectorLines(name: string): string[] {
  return LINES.filter(line => line.startsWith(`${name} `)).map(line => line.slice(name.length + 1))
}
