/**
 * The rules of the house. A file imports from a lower storey, a lower sub-room of its room, or its
 * own sub-room; clients see only what is said, never what is kept; time, chance, files, sockets and
 * the console each have one home.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Each room with its storey. Rooms of one storey have no doors between them. */
const STOREYS: Readonly<Record<string, number>> = {
  base: 1,
  model: 2,
  disk: 2,
  protocol: 3,
  log: 3,
  client: 4,
  wire: 4,
  coordinator: 4,
  partition: 4,
  broker: 5,
  events: 5,
  cluster: 6,
  'connect-parts.ts': 5,
  'connect.ts': 6,
  'index.ts': 8,
  cli: 7,
  testing: 7,
}

/**
 * The sub-rooms of a room, lowest first; those in one list have no doors between them. A file that
 * is named is a sub-room of its own. Above them all are the files that lie in the room itself.
 */
const SUB_ROOMS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  base: [['wasm.ts'], ['checksums']],
  model: [['units.ts'], ['errors.ts'], ['codecs'], ['batch']],
  log: [['format'], ['store'], ['recovery'], ['following'], ['compaction'], ['inspection']],
  protocol: [['schema.ts'], ['messages'], ['assignors']],
  client: [['line'], ['producer', 'group', 'admin'], ['consumer']],
  coordinator: [['fold'], ['consumer-groups'], ['metadata', 'groups', 'transactions']],
  events: [['text'], ['source'], ['formats'], ['import'], ['replay']],
  broker: [['broker-config.ts'], ['replication'], ['node'], ['tools'], ['requests']],
  cluster: [['faults'], ['network'], ['follow']],
  cli: [['terminal'], ['copy', 'inspect']],
  testing: [['simulation'], ['faults']],
}

/** Rooms that may see only these, whatever lies below them. */
const WALLS: Readonly<Record<string, readonly string[]>> = {
  client: ['client', 'protocol', 'model', 'base'],
  wire: ['wire', 'protocol', 'model', 'base'],
}

const FILES_HOMES = [
  'disk/node-disk.ts',
  'disk/lock.ts',
  'disk/shared-file.ts',
  'events/source/event-files.ts',
  'cli/terminal/user-files.ts',
]

/**
 * What is ambient in Node, and the only files that may touch it. An import of node:process or
 * node:util runs every getter they have: it opens stdin, stdout and stderr.
 */
const HOMES: readonly { readonly what: RegExp; readonly files: readonly string[] }[] = [
  { what: /\bDate\.now\(|\bperformance\.|new Date\(\)/, files: ['base/clock.ts'] },
  {
    what: /\bset(Timeout|Interval|Immediate)\(|\bnextTick\b|\bqueueMicrotask\b|'node:timers/,
    files: ['base/clock.ts'],
  },
  {
    what: /\bMath\.random\(|'node:crypto'/,
    files: ['base/random.ts', 'disk/lock.ts', 'wire/scram.ts'],
  },
  { what: /'node:fs(\/promises)?'/, files: FILES_HOMES },
  {
    what: /'node:(net|tls)'/,
    files: ['disk/lock.ts', 'wire/tcp-server.ts', 'wire/dial.ts'],
  },
  { what: /\bconsole\.|process\.std(out|err)\b/, files: ['cli/terminal/output.ts'] },
  { what: /from 'node:(process|util)'/, files: ['cli/command.ts'] },
  {
    what: /'node:zlib'/,
    files: [
      'model/codecs/node-codec.ts',
      'cli/terminal/user-files.ts',
      'events/source/unpack.ts',
      'testing/simulation/no-threads.ts',
    ],
  },
]

/** Rooms and files that decide and never wait. */
const PURE = [
  /^model\//,
  /^protocol\//,
  /^coordinator\/metadata\//,
  /^coordinator\/groups\/(group-(states|journal|view)|kept-groups|member|membership)\.ts$/,
  /^coordinator\/groups\/(offset-expiration|rebalance-reporter|subscriptions)\.ts$/,
  /^log\/recovery\/torn-tail\.ts$/,
  /^log\/format\/(log-config|files|leader-epochs|producer-state)\.ts$/,
  /^log\/store\/(retention|follower-batches)\.ts$/,
  /^log\/compaction\/compaction-plan\.ts$/,
  /^partition\/(isr|admission)\.ts$/,
  /^client\/producer\/(accumulator|producer-identity|partitioner|messages)\.ts$/,
  /^client\/group\/(member-states|poll-deadline|rebalance-streak)\.ts$/,
  /^client\/consumer\/(consumer-record|partition-state)\.ts$/,
]

const TOP_LEVEL = new Set([
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'src',
  'test',
  'bench',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
])
/** Made by tools, never committed. */
const MADE = new Set(['node_modules', 'dist', 'data'])

const FILE_LINES_MAX = 500
/** Files of one idea that needs more lines: cut where an idea ends, not where a ruler falls. */
const LONGER_FILES: Readonly<Record<string, number>> = {
  'partition/partition.ts': 600,
  'log/log-manager.ts': 516,
}
/** So that one sees a folder whole. Messages are many and alike. */
const FOLDER_FILES_MAX = 20
const FUNCTION_LINES_MAX = 70
const LINE_COLUMNS_MAX = 100
const PARAMETERS_MAX = 4

const EXPORTED = /^export (?:async )?(function\*?|class|const|let|interface|type) (\w+)/gm
const TYPES = new Set(['interface', 'type'])
/** What only tests look at, and one type that the compiler alone checks. */
const LOOK_OUTS = new Set([
  'AllNamed',
  'BROKER_SETTING_NAMES',
  'LOCK_FILES',
  'hasChance',
  'watchSteps',
])

interface Source {
  /** Relative to src. */
  readonly path: string
  readonly text: string
  readonly node: ts.SourceFile
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap(entry => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

const SOURCES: readonly Source[] = filesUnder('src').map(path => {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const node = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  return { path: path.slice('src/'.length), text, node }
})

/** How often each word stands in these texts. */
function wordsOf(texts: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const [word] of texts.flatMap(text => [...text.matchAll(/\w+/g)])) {
    counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return counts
}

const roomOf = (path: string): string => path.split('/')[0] as string

/** How high a file stands in its room, and in which sub-room; undefined for a room without any. */
function subRoomOf(path: string): { readonly name: string; readonly height: number } | undefined {
  const [room = '', name = ''] = path.split('/')
  const subRooms = SUB_ROOMS[room]
  if (subRooms === undefined) return undefined
  const height = subRooms.findIndex(names => names.includes(name))
  return height >= 0 ? { name, height } : { name: room, height: subRooms.length }
}

/** Text without comments: rules are for code. */
function codeOf({ text }: Source): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, ' ')
}

/** What an import names, whether it is read at once, on demand, or for its types alone. */
function targetOf(node: ts.Node): ts.Expression | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  const isOnDemand =
    ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
  return isOnDemand ? node.arguments[0] : undefined
}

/** Paths this file imports, relative to src; type imports too, and parts loaded on demand. */
function importsOf({ path, node }: Source): string[] {
  const found: string[] = []
  visit(node, child => {
    const target = targetOf(child)
    if (target === undefined || !ts.isStringLiteral(target) || !target.text.startsWith('.')) return
    found.push(join(path, '..', target.text).replace(/\.js$/, '.ts'))
  })
  return found
}

function visit(node: ts.Node, look: (node: ts.Node) => void): void {
  look(node)
  node.forEachChild(child => visit(child, look))
}

function linesOf(node: ts.Node, file: ts.SourceFile): number {
  const { line: first } = file.getLineAndCharacterOfPosition(node.getStart(file))
  return file.getLineAndCharacterOfPosition(node.end).line - first + 1
}

function placeOf({ path, node: file }: Source, node: ts.Node): string {
  return `${path}:${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1}`
}

describe('the house', () => {
  it('has only the rooms it was planned with', () => {
    const rooms = new Set(SOURCES.map(source => roomOf(source.path)))
    for (const room of rooms) expect(STOREYS, room).toHaveProperty([room])
  })

  it('imports only from lower storeys, or within a room', () => {
    const wrong = SOURCES.flatMap(source =>
      importsOf(source)
        .filter(target => !target.startsWith('..'))
        .filter(target => {
          const [from, to] = [roomOf(source.path), roomOf(target)]
          return from !== to && (STOREYS[to] as number) >= (STOREYS[from] as number)
        })
        .map(target => `${source.path} → ${target}`),
    )
    expect(wrong).toEqual([])
  })

  it('imports only from lower sub-rooms, or within one', () => {
    const wrong = SOURCES.flatMap(source => {
      const from = subRoomOf(source.path)
      return importsOf(source)
        .filter(target => roomOf(target) === roomOf(source.path))
        .filter(target => {
          const to = subRoomOf(target)
          return from !== undefined && to?.name !== from.name && (to?.height ?? 0) >= from.height
        })
        .map(target => `${source.path} → ${target}`)
    })
    expect(wrong).toEqual([])
  })

  it('has only the sub-rooms it was planned with', () => {
    const folders = new Set(
      SOURCES.map(({ path }) => path.split('/').slice(0, -1).join('/')).filter(Boolean),
    )
    const planned = Object.entries(SUB_ROOMS).flatMap(([room, lists]) =>
      lists.flat().map(name => `${room}/${name}`),
    )
    const wrong = [...folders].filter(path => path.includes('/') && !planned.includes(path))
    expect(wrong).toEqual([])
  })

  it(`has at most ${FOLDER_FILES_MAX} files in a folder`, () => {
    const counts = new Map<string, number>()
    for (const { path } of SOURCES) {
      const folder = path.split('/').slice(0, -1).join('/')
      counts.set(folder, (counts.get(folder) ?? 0) + 1)
    }
    counts.delete('protocol/messages')
    expect([...counts].filter(([, count]) => count > FOLDER_FILES_MAX)).toEqual([])
  })

  it('has no file name twice', () => {
    const places = new Map<string, string[]>()
    for (const { path } of SOURCES) {
      if (path.startsWith('protocol/messages/')) continue
      const name = path.split('/').at(-1) as string
      places.set(name, [...(places.get(name) ?? []), path])
    }
    const wrong = [...places].filter(([name, all]) => name !== 'index.ts' && all.length > 1)
    expect(wrong).toEqual([])
  })

  it('keeps clients behind their wall', () => {
    const wrong = SOURCES.flatMap(source => {
      const wall = WALLS[roomOf(source.path)]
      if (wall === undefined) return []
      return importsOf(source)
        .filter(target => target !== '../package.json')
        .filter(target => !wall.includes(roomOf(target)))
        .map(target => `${source.path} → ${target}`)
    })
    expect(wrong).toEqual([])
  })

  it('has no import cycles, types counted', () => {
    const graph = new Map(SOURCES.map(source => [source.path, importsOf(source)]))
    const done = new Set<string>()
    const cycles: string[] = []
    const walk = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      if (done.has(path) || trail.includes(path)) return
      for (const target of graph.get(path) ?? []) walk(target, [...trail, path])
      done.add(path)
    }
    for (const path of graph.keys()) walk(path, [])
    expect(cycles).toEqual([])
  })

  it('has one barrel for each entry of the package', () => {
    const barrels = SOURCES.filter(({ node }) => node.statements.some(ts.isExportDeclaration)).map(
      source => source.path,
    )
    expect(barrels).toEqual(['index.ts', 'testing/index.ts'])
  })

  it('gives time, chance, files, sockets and the console one home each', () => {
    const wrong = SOURCES.flatMap(source =>
      HOMES.filter(
        ({ what, files }) => what.test(codeOf(source)) && !files.includes(source.path),
      ).map(({ what }) => `${source.path}: ${String(what)}`),
    )
    expect(wrong).toEqual([])
  })

  it('lets pure rooms decide without waiting', () => {
    const wrong = SOURCES.filter(({ path }) => PURE.some(rule => rule.test(path))).flatMap(
      source => {
        const found: string[] = []
        visit(source.node, node => {
          const isAsync = node.kind === ts.SyntaxKind.AsyncKeyword || ts.isAwaitExpression(node)
          if (isAsync) found.push(placeOf(source, node))
        })
        return found
      },
    )
    expect(wrong).toEqual([])
  })
})

describe('code', () => {
  it('has no any but in the combinators of the schema', () => {
    const wrong = SOURCES.filter(({ path }) => path !== 'protocol/schema.ts').flatMap(source => {
      const found: string[] = []
      visit(source.node, node => {
        if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(placeOf(source, node))
      })
      return found
    })
    expect(wrong).toEqual([])
  })

  it('gives a constant one home', () => {
    const homes = new Map<string, string[]>()
    for (const { path, node } of SOURCES) {
      for (const statement of node.statements.filter(ts.isVariableStatement)) {
        for (const { name, initializer } of statement.declarationList.declarations) {
          if (!/^[A-Z][A-Z0-9_]+$/.test(name.getText()) || initializer === undefined) continue
          if (/_?RANGE$/.test(name.getText())) continue // versions of a message
          const said = `${name.getText()} = ${initializer.getText()}`
          homes.set(said, [...(homes.get(said) ?? []), path])
        }
      }
    }
    expect([...homes].filter(([, paths]) => paths.length > 1)).toEqual([])
  })

  it('exports what another file knows, and has nothing that only tests know', () => {
    const inTests = wordsOf(filesUnder('test').map(path => readFileSync(join(ROOT, path), 'utf8')))
    const counts = SOURCES.map(({ text }) => wordsOf([text]))
    const wrong = SOURCES.flatMap(({ path, text }, own) =>
      [...text.matchAll(EXPORTED)].flatMap(([, kind, name = '']) => {
        if (LOOK_OUTS.has(name)) return []
        if (counts.some((words, at) => at !== own && words.has(name))) return []
        const isUsedHere = (counts[own]?.get(name) ?? 0) > 1
        const isKnown = isUsedHere && (inTests.has(name) || TYPES.has(kind as string))
        return isKnown ? [] : [`${path}: ${name}`]
      }),
    )
    expect(wrong).toEqual([])
  })

  it('has no default exports and nothing unfinished', () => {
    const wrong = SOURCES.filter(
      source =>
        /^export default/m.test(source.text) || /\b(TODO|FIXME|XXX|HACK)\b/.test(source.text),
    ).map(source => source.path)
    expect(wrong).toEqual([])
  })

  it(`has files of at most ${FILE_LINES_MAX} lines`, () => {
    const wrong = SOURCES.map(({ path, text }) => ({
      path,
      lines: text.split('\n').length - 1,
    })).filter(({ path, lines }) => lines > (LONGER_FILES[path] ?? FILE_LINES_MAX))
    expect(wrong).toEqual([])
  })

  it(`has functions of at most ${FUNCTION_LINES_MAX} lines and ${PARAMETERS_MAX} parameters`, () => {
    const wrong = SOURCES.flatMap(source => {
      const found: string[] = []
      visit(source.node, node => {
        if (!ts.isFunctionLike(node)) return
        const lines = linesOf(node, source.node)
        const count = node.parameters.length
        if (lines > FUNCTION_LINES_MAX) found.push(`${placeOf(source, node)}: ${lines} lines`)
        if (count > PARAMETERS_MAX) found.push(`${placeOf(source, node)}: ${count} parameters`)
      })
      return found
    })
    expect(wrong).toEqual([])
  })

  it('spreads no object that is written in place: its fields stand in lines of their own', () => {
    const wrong = SOURCES.flatMap(source => {
      const found: string[] = []
      visit(source.node, node => {
        if (!ts.isSpreadAssignment(node) || !ts.isObjectLiteralExpression(node.expression)) return
        found.push(placeOf(source, node))
      })
      return found
    })
    expect(wrong).toEqual([])
  })

  it(`has lines of at most ${LINE_COLUMNS_MAX} columns`, () => {
    const wrong = SOURCES.flatMap(({ path, text }) =>
      text
        .split('\n')
        .flatMap((line, index) =>
          line.length > LINE_COLUMNS_MAX ? [`${path}:${index + 1}: ${line.length}`] : [],
        ),
    )
    expect(wrong).toEqual([])
  })

  // Not as a doc comment: that would become the one of the first name that is exported.
  it('begins every file with a plain comment that says what it is', () => {
    const wrong = SOURCES.filter(({ text }) => !/^(#!.*\n)?\/\*[^*]/.test(text)).map(
      ({ path }) => path,
    )
    expect(wrong).toEqual([])
  })
})

describe('the project', () => {
  const packageJson = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies?: object
    devDependencies: object
  }

  it('depends on nothing at run time, and on four tools to be built', () => {
    expect(packageJson.dependencies).toBeUndefined()
    expect(Object.keys(packageJson.devDependencies).sort()).toEqual([
      '@types/node',
      'tsup',
      'typescript',
      'vitest',
    ])
  })

  it('has nothing else at its top level', () => {
    const wrong = readdirSync(ROOT)
      .filter(name => !name.startsWith('.'))
      .filter(name => !TOP_LEVEL.has(name) && !MADE.has(name))
    expect(wrong).toEqual([])
  })

  it('skips and narrows no tests', () => {
    const wrong = filesUnder('test')
      .filter(path => !path.endsWith('tidy.test.ts'))
      .filter(path =>
        /\b(it|test|describe)\.(only|skip|todo)\b/.test(readFileSync(join(ROOT, path), 'utf8')),
      )
    expect(wrong).toEqual([])
  })
})
