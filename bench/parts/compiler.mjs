/** Compiles `limit.c` with the machine's C compiler. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('../limit.c', import.meta.url))

/** The path of the program; `reason` if there is none. */
export function compiledLimit(folder) {
  const program = join(folder, 'limit')
  const compiler = process.env.CC ?? 'cc'
  const { error, status, stderr } = spawnSync(
    compiler,
    ['-O3', '-march=native', '-o', program, SOURCE],
    { encoding: 'utf8' },
  )
  if (error !== undefined) return { reason: `no C compiler: ${error.message}` }
  if (status !== 0) return { reason: `limit.c was not compiled: ${stderr.split('\n')[0]}` }
  return { program }
}
