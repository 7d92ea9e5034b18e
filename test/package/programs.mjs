/** The programs of the pages, as modules and as CommonJS. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './project.mjs'

const IMPORT = /^import (\{[^}]*\}) from 'partlog'\n/

/** Those that stand for themselves: they import partlog, first of all and nothing else. */
function programsOf(page) {
  const blocks = readFileSync(join(ROOT, page), 'utf8').matchAll(/```js\n(.*?)```/gs)
  return [...blocks].map(([, code]) => code).filter(code => IMPORT.test(code))
}

const found = ['README.md', 'src/README.md'].flatMap(programsOf)
assert(found.length >= 4, `${found.length} programs were found in the pages`)

/** Each with the names it takes from partlog, and the rest of it. */
export const PROGRAMS = found.map(code => {
  const [line, names] = IMPORT.exec(code)
  return { code, names, body: code.slice(line.length) }
})

/** The program as a CommonJS module, which knows no `await` at its top. */
export function asCommonJs({ names, body }) {
  return `const ${names} = require('partlog')\n${asFunction(body)}\nmain()\n`
}

/** The program as a CommonJS module in TypeScript. */
export function asCommonJsTypes({ names, body }) {
  return `import ${names} from 'partlog'\n${asFunction(body)}\nvoid main()\n`
}

function asFunction(body) {
  return `async function main() {\n${body}}`
}

/** Test files for Jest and for vitest: each program is a test that compares what it prints. */
export function asTests(head, spy, outputs) {
  const tests = PROGRAMS.map(({ body }, index) => {
    const printed = JSON.stringify(outputs[index])
    return `
test('program ${index}', async () => {
  const lines = []
  ${spy}.mockImplementation((...words) => void lines.push(format(...words) + '\\n'))
${body}
  expect(lines.join('')).toBe(${printed})
})`
  })
  return head + tests.join('\n')
}

/** All names that programs take from partlog. */
export const NAMES = [
  ...new Set(PROGRAMS.flatMap(({ names }) => names.match(/\w+/g))),
].join(', ')
