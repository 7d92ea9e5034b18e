/** The command line all benchmarks share. */

import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const DEFAULT_DIR = fileURLToPath(new URL('../../.bench/', import.meta.url))

const HELP = `Options
  --quick       small sizes and 3 rounds: does it work?
  --long        larger sizes
  --rounds n    how often everything is measured; the median counts (default 5)
  --only text   only rows whose name contains this; may be given more than once
  --dir folder  where the files go; a real disk, please (default .bench)
  --json        the result as JSON instead of a table
`

export function readOptions() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      dir: { type: 'string', default: DEFAULT_DIR },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    process.exit(0)
  }
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 5))
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds: expected a number')
  const size = values.quick ? 'quick' : values.long ? 'long' : 'short'
  return { ...values, rounds, size }
}

/** Runs with a folder of its own, which is gone afterwards, however it ends. */
export async function withFolder(parent, use) {
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'run-'))
  const remove = () => {
    rmSync(folder, { recursive: true, force: true })
    removeIfEmpty(dirname(folder))
  }
  const stop = () => process.exit(130)
  process.once('exit', remove)
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    return await use(folder)
  } finally {
    remove()
    process.off('exit', remove).off('SIGINT', stop).off('SIGTERM', stop)
  }
}

function removeIfEmpty(folder) {
  try {
    rmdirSync(folder)
  } catch {
    // It holds other files, or those of another run.
  }
}
