/** The package as users get it: packed, unpacked into their project, imported, compiled. */

import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import ts from 'typescript'
import { beforeAll, describe, expect, it } from 'vitest'
import { node, ROOT, tempFolder, type Ended } from './helpers.js'

const project = tempFolder()
const installed = join(project, 'node_modules/partlog')
let files: readonly string[] = []

beforeAll(() => {
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', project]
  const told = execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' })
  const [{ filename }] = JSON.parse(told) as [{ filename: string }]
  execFileSync('tar', ['-xzf', join(project, filename), '-C', project])
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
  renameSync(join(project, 'package'), installed)
  // What a TypeScript project for Node has beside partlog.
  for (const name of ['@types/node', 'undici-types']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name))
  }
  files = readdirSync(installed, { recursive: true, encoding: 'utf8' }).sort()
})

/** Runs a file of the user's project. */
function run(name: string, text: string, ...words: readonly string[]): Ended {
  writeFileSync(join(project, name), text)
  return node([name, ...words], { cwd: project })
}

interface PackageJson {
  readonly version: string
  readonly bin: Readonly<Record<string, string>>
  readonly engines: Readonly<Record<string, string>>
  readonly [key: string]: unknown
}

const packageJson = (): PackageJson =>
  JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as PackageJson

describe('the package', () => {
  it('the package contains the build and the manuals, and nothing else', () => {
    const part = '[\\w-]+-[A-Z0-9]{8}\\.cjs' // named after what is in it
    const types = '[\\w-]+-[\\w-]{8}\\.d\\.c?ts' // what both entries declare
    const built = `(index|testing)\\.(js|cjs|d\\.ts|d\\.cts)|cli\\.c?js|${part}|${types}`
    const wanted = new RegExp(`^(dist(/(${built}))?|package\\.json)$`)
    const pages = /^(((src(\/cli)?|test|bench)\/)?README\.md|LICENSE|CHANGELOG\.md)$/
    const folders = ['src', 'src/cli', 'test', 'bench']
    const others = files.filter(name => !wanted.test(name) && !pages.test(name))
    expect(others.filter(name => !folders.includes(name))).toEqual([])
    for (const name of folders) expect(files).toContain(`${name}/README.md`)
    for (const entry of ['index', 'testing']) {
      for (const kind of ['js', 'cjs', 'd.ts', 'd.cts']) {
        expect(files).toContain(`dist/${entry}.${kind}`)
      }
    }
    expect(files).toContain('dist/cli.js')
  })

  it('the package has no dependencies and no install scripts', () => {
    const { dependencies, peerDependencies, optionalDependencies, engines } = packageJson()
    expect([dependencies, peerDependencies, optionalDependencies]).toEqual([, , ,].fill(undefined))
    expect(engines).toEqual({ node: '>=20.19' })
    const scripts = Object.keys(packageJson()['scripts'] as object)
    expect(scripts.filter(name => /install|prepare|prepublish/.test(name))).toEqual([])
  })

  it('the package imports only modules of Node and its own files', () => {
    const programs = files.filter(name => /^dist\/.*js$/.test(name))
    const found = programs.flatMap(name => {
      const text = readFileSync(join(installed, name), 'utf8')
      return [...text.matchAll(IMPORT_IN_PROGRAM)].map(([, target]) => ({ name, target }))
    })
    const toParts = found.filter(({ target }) => target?.startsWith('./') === true)
    const toNode = found.filter(({ target }) => target?.startsWith('node:') === true)
    expect(toParts.length).toBeGreaterThan(10)
    expect(toNode.length).toBeGreaterThan(10)
    expect(toParts.filter(({ target }) => !files.includes(join('dist', String(target))))).toEqual([])
    expect(toNode.filter(({ target }) => !isBuiltin(String(target)))).toEqual([])
    expect(found).toHaveLength(toParts.length + toNode.length)
  })

  it('the package holds the library once: for modules, for CommonJS and for the command', () => {
    const programs = files.filter(name => /^dist\/.*js$/.test(name))
    const holders = programs.filter(name =>
      readFileSync(join(installed, name), 'utf8').includes('// src/client/producer/sender.ts'),
    )
    expect(holders).toHaveLength(1)
    expect(holders).not.toContain('dist/cli.cjs')
  })

  it('the package has an executable command', () => {
    const { bin, version } = packageJson()
    const command = join(installed, bin['partlog'] as string)
    const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${version}\n` })
  })

  it('tests of both kinds of modules explore', () => {
    const text = `
      void explore({ seeds: 2 }, async world => {
        await world.cluster.admin.createTopic({ topic: 'orders' })
        await world.eventually(async () => (await world.cluster.admin.listTopics()).length === 1)
      }).then(({ seeds }) => console.log(seeds))`
    const imported = `import { explore } from 'partlog/testing'\n${text}`
    const required = `const { explore } = require('partlog/testing')\n${text}`
    expect(run('explore.mjs', imported).stdout).toBe('2\n')
    expect(run('explore.cjs', required).stdout).toBe('2\n')
  })

  it('the package has two entry points', () => {
    const text = `
      for (const path of ['partlog/dist/index.js', 'partlog/src/index.js', 'partlog/dist/cli.js'])
        await import(path).catch(error => console.log(error.code))
      const { createRequire } = await import('node:module')
      console.log(createRequire(import.meta.url)('partlog/package.json').name)`
    const refused = 'ERR_PACKAGE_PATH_NOT_EXPORTED\n'
    expect(run('deep.mjs', text).stdout).toBe(`${refused}${refused}${refused}partlog\n`)
  })
})

/** As the bundler writes imports and exports, at once and on demand, and what it makes of them. */
const IMPORT_IN_PROGRAM =
  /(?:^(?:import|export)\b[^;'"]*|^\} from |\b(?:require|import)\()["']([^"'\n]+)["'](?=[);])/gm

/** Writes, reads and closes; ends with a line. `Cluster` must be there. */
const USE = `
async function use(cluster) {
  const producer = cluster.producer()
  await producer.send({ topic: 'words', messages: [{ key: 'k', value: 'hello' }] })
  const options = { groupId: 'g', autoOffsetReset: 'earliest', valueDeserializer: 'string' }
  const consumer = cluster.consumer(options)
  await consumer.subscribe(['words'])
  for await (const { value } of consumer) {
    console.log(value)
    break
  }
  const idle = cluster.consumer({ groupId: 'h' }) // left open: the cluster closes it
  await idle.subscribe(['words'])
  await cluster.close()
}
const [dir] = process.argv.slice(2)
async function main() {
  await use(await Cluster.memory())
  await use(await Cluster.open({ dir }))
  console.log('closed at ' + Date.now())
  process.on('exit', () => console.log('ended at ' + Date.now()))
}
main()
`

/** A timer that is left keeps the process for longer: housekeeping's first is of 30 seconds. */
const END_MAX_MS = 20_000

function expectUse({ code, stdout, stderr }: Ended): void {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const told = /^hello\nhello\nclosed at (\d+)\nended at (\d+)\n$/.exec(stdout)
  expect(told, stdout).not.toBeNull()
  expect(Number(told?.[2]) - Number(told?.[1])).toBeLessThan(END_MAX_MS)
}

describe('a program that uses partlog ends automatically', () => {
  it('an ES module that uses partlog ends automatically', () => {
    expectUse(run('use.mjs', `import { Cluster } from 'partlog'\n${USE}`, tempFolder()))
  })

  it('a CommonJS module that uses partlog ends automatically', () => {
    expectUse(run('use.cjs', `const { Cluster } = require('partlog')\n${USE}`, tempFolder()))
  })

  it("as TypeScript's `import partlog = require('partlog')`", () => {
    const source = `import partlog = require('partlog')\nconst { Cluster } = partlog\n${USE}`
    const options = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 }
    const { outputText } = ts.transpileModule(source, { compilerOptions: options })
    expectUse(run('use-import.cjs', outputText, tempFolder()))
  })

  it('modules and CommonJS share one library', () => {
    const text = `
      import { createRequire } from 'node:module'
      import * as esm from 'partlog'
      const cjs = createRequire(import.meta.url)('partlog')
      console.log(Object.keys(esm).sort().join() === Object.keys(cjs).sort().join())
      console.log(Object.keys(esm).filter(name => esm[name] !== cjs[name]).length)`
    expect(run('both.mjs', text)).toEqual({ code: 0, stdout: 'true\n0\n', stderr: '' })
  })

  it('two copies of the library in one process know each other’s errors and locks', () => {
    const copy = join(tempFolder(), 'partlog')
    cpSync(installed, copy, { recursive: true })
    const text = `
      import * as first from 'partlog'
      import * as second from ${JSON.stringify(join(copy, 'dist/index.js'))}
      const [dir] = process.argv.slice(2)
      const cluster = await first.Cluster.open({ dir })
      const error = await second.Cluster.open({ dir }).catch(error => error)
      console.log(first.isPartlogError(error, 'LOCKED'), error instanceof first.PartlogError)
      await cluster.close()`
    const ended = run('copies.mjs', text, tempFolder())
    expect(ended).toEqual({ code: 0, stdout: 'true false\n', stderr: '' })
  })
})

describe('close', () => {
  it('close settles every promise, and the process ends', () => {
    const text = `
      import { Cluster } from 'partlog'
      const cluster = await Cluster.memory()
      await cluster.admin.createTopic({ topic: 'words' })
      const producer = cluster.producer({ lingerMs: 60_000, deliveryTimeoutMs: 120_000 })
      const [a, b, c, d] = [0, 1, 2, 3].map(n => cluster.consumer({ groupId: 'g' + n }))
      for (const consumer of [a, b, c]) await consumer.subscribe(['words'])
      const waiting = {
        send: producer.send({ topic: 'words', messages: [{ value: 'lingers' }] }),
        poll: a.poll({ timeoutMs: 600_000 }),
        next: b[Symbol.asyncIterator]().next(),
        run: c.run({ eachRecord: () => undefined }),
        subscribe: d.subscribe(['words']),
      }
      const settled = Object.entries(waiting).map(async ([name, promise]) => {
        const how = await promise.then(() => 'resolved', error => error.code)
        return name + ' ' + how
      })
      await new Promise(resolve => setImmediate(resolve))
      await cluster.close()
      await cluster.close()
      console.log((await Promise.all(settled)).join('\\n'))
      for (const use of [
        () => cluster.producer(),
        () => cluster.consumer(),
        () => cluster.admin.listTopics(),
        () => producer.send({ topic: 'words', messages: [{ value: 'late' }] }),
        () => a.poll(),
      ]) {
        try { await use(); console.log('still works') } catch (error) { console.log(error.code) }
      }`
    const { code, stdout, stderr } = run('settle.mjs', text)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toBe('send resolved') // what a producer holds is sent first
    for (const line of lines.slice(1, 5)) expect(line).toMatch(/^\w+ (resolved|CLOSED)$/)
    expect(lines.slice(5)).toEqual(Array.from({ length: 5 }, () => 'CLOSED'))
  })

  it('Symbol.asyncDispose calls close, on everything that has it', () => {
    const text = `
      import { Cluster } from 'partlog'
      const cluster = await Cluster.memory()
      const things = [cluster.producer(), cluster.consumer({ groupId: 'g' }), cluster]
      for (const thing of things) {
        if (typeof thing.close !== 'function') throw new Error('does not close')
        await thing[Symbol.asyncDispose]()
      }
      if (typeof cluster.admin.close === 'function' && !cluster.admin[Symbol.asyncDispose])
        throw new Error('admin closes')
      for (const use of [
        () => things[0].send({ topic: 't', messages: [{ value: 'v' }] }),
        () => things[1].subscribe(['t']),
        () => cluster.producer(),
      ]) {
        try { await use() } catch (error) { console.log(error.code) }
      }`
    const ended = run('dispose.mjs', text)
    expect(ended).toEqual({ code: 0, stdout: 'CLOSED\nCLOSED\nCLOSED\n', stderr: '' })
  })
})

// ── types ────────────────────────────────────────────────────────────────────────────────

const TYPED = `
export async function main(): Promise<void> {
  const cluster: Cluster = await Cluster.open({ dir: './data', durability: 'process' })
  await cluster.admin.createTopic({ topic: 't', partitions: 2, config: { 'retention.ms': -1 } })
  const [meta] = await cluster.producer().send({ topic: 't', messages: [{ value: 'v' }] })
  const offset: number | undefined = meta?.offset
  const consumer = cluster.consumer({ groupId: 'g', valueDeserializer: 'string' })
  for await (const record of consumer) {
    const value: string | null = record.value
    const key: Uint8Array | null = record.key
    console.log(offset, value, key)
  }
  await cluster[Symbol.asyncDispose]()
}
`
const IMPORT = `import { Cluster } from 'partlog'\n${TYPED}`
const REQUIRE = `import partlog = require('partlog')\nimport Cluster = partlog.Cluster\n${TYPED}`
const USING = `
import { Cluster } from 'partlog'
export async function brief(): Promise<string> {
  await using cluster = await Cluster.memory()
  await using producer = cluster.producer()
  await using consumer = cluster.consumer()
  return [cluster.location, String(producer), String(consumer)].join()
}
`

type Sources = Readonly<Record<string, string>>

/** TypeScript's own libraries and Node's types, parsed once for all programs. */
const parsed = new Map<string, ts.SourceFile | undefined>()

/** What TypeScript says about files of the user's project and about partlog's declarations. */
function problemsIn(sources: Sources, more: ts.CompilerOptions): string[] {
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(project, name), text)
  const options = { strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, ...more }
  const host = ts.createCompilerHost(options, true)
  const parse = host.getSourceFile.bind(host)
  host.getCurrentDirectory = () => project
  host.getSourceFile = (name, how, ...rest) => {
    if (!name.startsWith(ROOT)) return parse(name, how, ...rest)
    const key = `${name} ${typeof how === 'object' ? how.impliedNodeFormat : ''}`
    if (!parsed.has(key)) parsed.set(key, parse(name, how, ...rest))
    return parsed.get(key)
  }
  const names = Object.keys(sources).map(name => join(project, name))
  const program = ts.createProgram(names, options, host)
  const files = program
    .getSourceFiles()
    .filter(({ fileName }) => /\/partlog\/dist\//.test(fileName) || names.includes(fileName))
  // The entry's declarations, and those that it shares with the other one.
  expect(files).toHaveLength(names.length + 2 * new Set(names.map(declarationsFor)).size)
  const found = [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...files.flatMap(file => [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ]),
  ]
  return found.map(({ file, start, messageText }) => {
    const line = file?.getLineAndCharacterOfPosition(start ?? 0).line ?? -1
    const text = ts.flattenDiagnosticMessageText(messageText, ' ')
    return `${file?.fileName.split('/').at(-1)}:${line + 1} ${text}`
  })

  function declarationsFor(name: string): string {
    return name.endsWith('.cts') && more.module !== ts.ModuleKind.CommonJS ? 'd.cts' : 'd.ts'
  }
}

const { ModuleKind, ModuleResolutionKind } = ts

/** Each way in which TypeScript finds the types of a package. */
const RESOLUTIONS: readonly (readonly [string, ts.CompilerOptions, Sources])[] = [
  [
    'nodenext',
    { module: ModuleKind.NodeNext, moduleResolution: ModuleResolutionKind.NodeNext },
    { 'a.mts': IMPORT, 'b.cts': REQUIRE, 'c.mts': USING, 'd.cts': USING },
  ],
  [
    'node16',
    { module: ModuleKind.Node16, moduleResolution: ModuleResolutionKind.Node16 },
    { 'a.mts': IMPORT, 'b.cts': REQUIRE },
  ],
  [
    'bundler',
    { module: ModuleKind.ESNext, moduleResolution: ModuleResolutionKind.Bundler },
    { 'e.ts': IMPORT, 'f.ts': USING },
  ],
  [
    'node10',
    { module: ModuleKind.CommonJS, moduleResolution: ModuleResolutionKind.Node10 },
    { 'g.ts': IMPORT, 'h.ts': REQUIRE },
  ],
]
const NODENEXT = RESOLUTIONS[0]?.[1] as ts.CompilerOptions

describe('types', () => {
  it.each(RESOLUTIONS)(
    'types are found and correct with moduleResolution %s',
    (_, options, sources) => {
      const settings = { ...options, skipLibCheck: false, exactOptionalPropertyTypes: true }
      expect(problemsIn(sources, settings)).toEqual([])
    },
  )

  it('types refuse wrong calls, so they are not `any`', () => {
    const wrong = `
import { Cluster } from 'partlog'
const cluster = await Cluster.memory({ brokers: 'three' })
cluster.producer({ acks: 2 })
const record: { value: number } = (await cluster.consumer().poll())[0]!
export { record }
`
    const problems = problemsIn({ 'wrong.mts': wrong }, NODENEXT)
    const lines = problems.map(each => each.split(' ')[0])
    expect(lines).toEqual(['wrong.mts:3', 'wrong.mts:4', 'wrong.mts:5'])
  })

  it('types need no types of Node', () => {
    const lib = ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts']
    const settings = { ...NODENEXT, types: [], lib, skipLibCheck: false }
    expect(problemsIn({ 'i.mts': IMPORT, 'j.mts': USING }, settings)).toEqual([])
  })
})
