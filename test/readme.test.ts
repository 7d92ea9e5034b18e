/** The code in the README runs, and its names are real. */

import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

const programs = [...README.matchAll(/```js\n(.*?)```/gs)]
  .map(match => match[1] as string)
  .filter(code => code.startsWith('import'))

it.each([
  [0, '0: order-1 created\n'],
  [1, 'created\n[]\n'],
  [2, 'hello\n'],
  [3, 'broker 2 leads orders\non offset 1, as if nothing had happened\n'],
])('program %d', (index, output) => {
  expect(existsSync(join(ROOT, 'dist/index.js')), 'dist is missing: npm run build').toBe(true)
  const folder = mkdtempSync(join(tmpdir(), 'partlog-readme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/partlog'), 'dir')
  writeFileSync(join(folder, 'program.mjs'), programs[index] as string)
  const result = execFileSync(process.execPath, ['program.mjs'], { cwd: folder, encoding: 'utf8' })
  expect(result).toBe(output)
})

it('has no other programs', () => {
  expect(programs).toHaveLength(4)
})

it('names files that exist', () => {
  const rows = README.split('\n').filter(line => line.startsWith('| ') && line.includes('`src/'))
  expect(rows.length).toBeGreaterThan(8)
  for (const row of rows) {
    let folder = ''
    for (const [, path = ''] of row.matchAll(/`([\w./-]+\.ts|src\/[\w/-]+\/)`/g)) {
      if (path.startsWith('src/')) folder = path.slice(0, path.lastIndexOf('/'))
      const file = path.startsWith('src/') ? path : `${folder}/${path}`
      expect(existsSync(join(ROOT, file)), file).toBe(true)
    }
  }
})
