/** The storm of test/storm, in small: real processes are killed thirty times. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ended, ROOT } from './helpers.js'

async function storm(...words: readonly string[]): Promise<{ code: number | null; said: string }> {
  const run = spawn(process.execPath, [join(ROOT, 'test/storm/run.mjs'), ...words])
  let said = ''
  for (const stream of [run.stdout, run.stderr]) {
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  }
  const code = await ended(run)
  return { code, said }
}

it('thirty processes, killed at any moment or disk operation, have kept what they acknowledged', async () => {
  const runs = await Promise.all([
    storm('--only', 'kills', '--kills', '18'),
    storm('--only', 'kills-3', '--kills', '12'),
  ])
  for (const { code, said } of runs) {
    expect(said).toMatch(/^kept: \d+ kills/m)
    expect(code).toBe(0)
  }
  const kills = runs.map(({ said }) => Number(/^kept: (\d+) kills/m.exec(said)?.[1]))
  expect(kills).toEqual([18, 12])
})
