/** The list of planted bugs stays alive: what each replaces is there, and still reads as code. */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

/** What the parser keeps, but does not declare. */
interface Parsed extends ts.SourceFile {
  readonly parseDiagnostics: readonly unknown[]
}

interface Mutant {
  readonly name: string
  readonly file: string
  readonly from: string
  readonly to: string
  readonly by: readonly string[]
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const { MUTANTS } = (await import(new URL('list.mjs', import.meta.url).href)) as {
  MUTANTS: readonly Mutant[]
}

const texts = new Map<string, string>()
function textOf(file: string): string {
  const text = texts.get(file) ?? readFileSync(`${ROOT}src/${file}`, 'utf8')
  texts.set(file, text)
  return text
}

describe('the mutants', () => {
  it('the mutants are 120 or more, each with a name of its own', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(120)
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length)
  })

  it('replace text that stands in its file exactly once', () => {
    const stale = MUTANTS.flatMap(({ name, file, from }) => {
      const count = textOf(file).split(from).length - 1
      return count === 1 ? [] : [`${name}: ${count} times in ${file}`]
    })
    expect(stale).toEqual([])
  })

  it('read as code, and as other code', () => {
    const wrong = MUTANTS.flatMap(({ name, file, from, to }) => {
      const text = textOf(file).replace(from, () => to)
      const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022) as Parsed
      const diagnostics = source.parseDiagnostics
      return to === from || diagnostics.length > 0 ? [name] : []
    })
    expect(wrong).toEqual([])
  })

  it('name tests that exist', () => {
    const missing = MUTANTS.flatMap(({ name, by }) =>
      by
        .map(test => test.split(': ')[0])
        .filter(file => !existsSync(`${ROOT}test/${file}.test.ts`))
        .map(file => `${name}: ${file}`),
    )
    expect(missing).toEqual([])
  })
})
