/** What an editor shows, and what a strict compiler takes: read from the declarations we publish. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const DECLARATIONS = join(ROOT, 'dist/index.d.ts')
const TESTING = join(ROOT, 'dist/testing.d.ts')
const SOURCE = join(ROOT, 'test/types/user.ts')

/** A program of a user of the package whose only file is `text`. */
function programOf(text: string, options: ts.CompilerOptions = {}): ts.Program {
  expect(existsSync(DECLARATIONS), 'dist is missing: npm run build').toBe(true)
  const all: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.esnext.iterator.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
    skipLibCheck: true,
    paths: { partlog: [DECLARATIONS], 'partlog/testing': [TESTING] },
    ...options,
  }
  const host = ts.createCompilerHost(all)
  const { getSourceFile, fileExists } = host
  host.getSourceFile = (name, ...rest) =>
    name === SOURCE
      ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022)
      : getSourceFile.call(host, name, ...rest)
  host.fileExists = name => name === SOURCE || fileExists.call(host, name)
  return ts.createProgram([SOURCE], all, host)
}

function errorsOf(program: ts.Program): string[] {
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}

function exportsOf(program: ts.Program, file = DECLARATIONS): readonly ts.Symbol[] {
  const checker = program.getTypeChecker()
  const module = checker.getSymbolAtLocation(program.getSourceFile(file) as ts.SourceFile)
  return checker.getExportsOfModule(module as ts.Symbol).map(each =>
    each.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each,
  )
}

describe('doc comments', () => {
  it('every exported name has one of its own', () => {
    const program = programOf("export * from 'partlog'; export * from 'partlog/testing'")
    const checker = program.getTypeChecker()
    const all = [...exportsOf(program), ...exportsOf(program, TESTING)]
    expect(all.length).toBeGreaterThan(100)
    const wrong = all.filter(each => each.getDocumentationComment(checker).length === 0)
    expect(wrong.map(({ name }) => name)).toEqual([])
  })

  it('every call and field of an exported interface that takes or does something has one', () => {
    const program = programOf("export * from 'partlog'")
    const checker = program.getTypeChecker()
    const wrong = exportsOf(program)
      .filter(each => (each.flags & ts.SymbolFlags.Interface) !== 0)
      .flatMap(each =>
        checker
          .getPropertiesOfType(checker.getDeclaredTypeOfSymbol(each))
          .filter(member => (member.flags & ts.SymbolFlags.Method) !== 0)
          .filter(member => member.getDocumentationComment(checker).length === 0)
          .map(member => `${each.name}.${member.name}`),
      )
      .filter(name => !name.includes('.__@asyncIterator'))
    expect(wrong).toEqual([])
  })

  it('no source file tells about itself there', () => {
    const text = readFileSync(DECLARATIONS, 'utf8')
    const detached = [...text.matchAll(/^\/\*\*(?:(?!\*\/)[^])*\*\/\n\n/gm)].map(([each]) => each)
    expect(detached).toEqual([])
  })
})

describe('strict compilers', () => {
  it('take undefined for what is left out', () => {
    const text = `
      import { Cluster, connect, openLogDirectory } from 'partlog'
      export async function use(given: string | undefined, count: number | undefined) {
        const cluster = await Cluster.open({ dir: 'd', brokers: count, racks: undefined })
        await cluster.admin.createTopic({ topic: 't', partitions: count, config: undefined })
        await cluster.admin.createTopic({ topic: 't', config: { 'retention.ms': count } })
        const producer = cluster.producer({ clientId: given, lingerMs: count })
        await producer.send({ topic: 't', messages: [{ key: given, value: 'v', partition: count }] })
        const consumer = cluster.consumer({ groupId: given, maxPollRecords: count })
        await consumer.poll({ timeoutMs: count, signal: undefined })
        await consumer.commit({ metadata: given })
        await cluster.until({ group: 'g', stable: true, members: count })
        await connect({ bootstrapServers: 'a:1', sasl: undefined, requestTimeoutMs: count })
        await cluster.listen({ host: given })
        cluster.network.drop({ to: count }, { times: count })
        for (const each of (await openLogDirectory('d')).partitions) each.records({ from: count })
      }`
    expect(errorsOf(programOf(text, { exactOptionalPropertyTypes: true }))).toEqual([])
  })

  it('find nothing wrong with the declarations themselves', () => {
    const checks = { skipLibCheck: false, exactOptionalPropertyTypes: true }
    expect(errorsOf(programOf("export * from 'partlog'", checks))).toEqual([])
  })
})
