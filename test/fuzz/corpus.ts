/**
 * Inputs that are kept: those that found a bug, and one for each way in which a target has accepted
 * or refused. A line of corpus/<target>.txt: the bytes as hex (`-` for none), then what they are.
 */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export function corpusOf(target: string): readonly Buffer[] {
  const path = fileURLToPath(new URL(`corpus/${target}.txt`, import.meta.url))
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap(line => {
      const [hex = ''] = line.split(' ')
      return hex === '' || hex === '#' ? [] : [Buffer.from(hex === '-' ? '' : hex, 'hex')]
    })
}
