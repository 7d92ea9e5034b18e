/** The pages for people: the programs in them run, and what they name is there. */

import { execFile, execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ClosableAdmin } from '../src/client/admin/admin.js'
import { Cluster } from '../src/cluster/cluster.js'

const ROOT = join(import.meta.dirname, '..')
const CLI = join(ROOT, 'dist/cli.js')
const PAGES = [
  'README.md',
  'src/README.md',
  'src/cli/README.md',
  'test/README.md',
  'bench/README.md',
] as const
type Page = (typeof PAGES)[number]

const textOf = (page: Page): string => readFileSync(join(ROOT, page), 'utf8')

function blocksOf(text: string, language: string): string[] {
  const blocks = text.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))
  return [...blocks].map(([, code = '']) => code)
}

beforeAll(() => {
  expect(existsSync(CLI), 'dist is missing: npm run build').toBe(true)
})

// ── programs ─────────────────────────────────────────────────────────────────────────────

/** A project of a user, which has partlog installed. */
function project(): string {
  const folder = mkdtempSync(join(tmpdir(), 'partlog-readme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/partlog'), 'dir')
  return folder
}

/** Runs a program as a user does; resolves with what it has printed. */
async function run(code: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const cwd = project()
  writeFileSync(join(cwd, 'program.mjs'), code)
  const options = { cwd, env: { ...process.env, ...env } }
  const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs'], options)
  return stdout
}

/** One block of a page: what stands only in it, and what it prints between two other pieces. */
interface Example {
  readonly page: Page
  readonly mark: string
  readonly before?: string
  readonly after?: string
  readonly output: string | RegExp
}

const IN_MEMORY = `
import { Cluster } from 'partlog'
const cluster = await Cluster.memory()
`
const CLOSE = 'await cluster.close()'
/** As much of kafkajs as the recipe is about: it connects to its brokers. */
const KAFKAJS = `
class Kafka {
  constructor({ brokers, socketFactory }) {
    const connect = ([host, port]) => new Promise((onConnect, reject) => {
      socketFactory({ host, port: Number(port), onConnect }).on('error', reject)
    })
    this.connected = Promise.all(brokers.map(broker => connect(broker.split(':'))))
  }
}
`
const CONNECTED = `console.log((await kafka.connected).length)\n${CLOSE}`
/** Bills each order; the second one is the last before SIGTERM. */
const WORKER = `
import { Cluster } from 'partlog'
const cluster = await Cluster.open({ dir: 'worker' })
const messages = ['one', 'odd', 'two'].map(value => ({ value }))
await cluster.producer().send({ topic: 'orders', messages })
const bill = async ({ value }) => {
  const order = Buffer.from(value).toString()
  if (order === 'odd' && isPicky) throw new Error('odd')
  console.log(order)
  if (order === 'two') process.kill(process.pid, 'SIGTERM')
}
`
const WORKED = `
const again = await Cluster.open({ dir: 'worker' })
console.log((await again.admin.groupLag('billing')).totalLag)
console.log((await again.admin.listTopics()).join())
await again.close()
`

/** The owner of a folder, in the same process; it sends once more when the reader has begun. */
const OWNER = `
  import { Cluster } from 'partlog'
  const owner = await Cluster.open({ dir: './data' })
  const send = value => owner.producer().send({ topic: 'orders', messages: [{ value }] })
  await send('created')
  const log = console.log
  console.log = line => (log(line), line.includes('created') ? send('shipped') : undefined)
`

const EXAMPLES: readonly Example[] = [
  {
    page: 'src/README.md',
    mark: 'explore({ seeds: 50 }',
    output: /^seed \d+ failed: an invariant does not hold/,
  },
  { page: 'README.md', mark: "dir: './data'", output: '0: order-1 created\n' },
  {
    page: 'README.md',
    mark: 'deadLetterTopic',
    before: `${WORKER}const isPicky = true`,
    after: WORKED,
    output: 'one\ntwo\n0\norders,orders-dead\n',
  },
  {
    page: 'README.md',
    mark: 'clock.advance(60_000)',
    before: "import { Cluster, virtualClock } from 'partlog'",
    output: '[]\n',
  },
  {
    page: 'README.md',
    mark: 'Transport.KAFKA',
    before: `import { Cluster } from 'partlog'\n${KAFKAJS}`,
    after: CONNECTED,
    output: '3\n',
  },
  {
    page: 'README.md',
    mark: 'dropAnswer().times(2)',
    before: "import { Cluster } from 'partlog'",
    output: 'once in the log, at offset 0\n',
  },
  { page: 'README.md', mark: 'process.env.KAFKA', output: "[ 'greetings' ]\n" },
  {
    page: 'src/README.md',
    mark: 'readOnly: true',
    before: OWNER,
    after: 'await owner.close()',
    output: '0: created\n1: shipped\n',
  },
  {
    page: 'src/README.md',
    mark: "compression: 'lz4'",
    before: IN_MEMORY,
    after: CLOSE,
    output: 'orders-0 offset 0\n',
  },
  {
    page: 'src/README.md',
    mark: 'onPartitionsLost',
    before: IN_MEMORY,
    after: `console.log(consumer.assignment())\n${CLOSE}`,
    output: "[ { topic: 'orders', partition: 0 } ]\n",
  },
  {
    page: 'src/README.md',
    mark: 'the record comes again in a second',
    before: `${WORKER}const isPicky = false`,
    after: WORKED,
    output: 'one\nodd\ntwo\n0\norders\n',
  },
  {
    page: 'src/README.md',
    mark: 'as if nothing had happened',
    output: 'broker 2 leads orders\non offset 1, as if nothing had happened\n',
  },
  {
    page: 'src/README.md',
    mark: 'socketFactory: cluster.socketFactory',
    before: `${IN_MEMORY}${KAFKAJS}`,
    after: CONNECTED,
    output: '1\n',
  },
  {
    page: 'src/README.md',
    mark: "transactionalId: 'totals-0'",
    before: `${IN_MEMORY}
let isOver = false
const total = ({ value }) => { isOver = true; return { value: 'total ' + value } }
for (const topic of ['orders', 'totals']) await cluster.admin.createTopic({ topic, partitions: 1 })
await cluster.producer().send({ topic: 'orders', messages: [{ value: '7' }] })
`,
    after: `const totals = cluster.consumer({ isolationLevel: 'read_committed', valueDeserializer: 'string' })
await totals.assign([{ topic: 'totals', partition: 0 }])
await totals.seek({ topic: 'totals', partition: 0, offset: 0 })
for await (const { value } of totals) { console.log(value); break }
${CLOSE}`,
    output: 'total 7\n',
  },
  { page: 'src/README.md', mark: 'async function greet', output: 'hello\n' },
  { page: 'src/README.md', mark: "cluster.replay('numbers'", output: '{"n":1}\n{"n":2}\n' },
  {
    page: 'src/README.md',
    mark: 'importEvents(cluster',
    output: '1 records so far\n1 records, 0 kinds of bad lines\n',
  },
  { page: 'src/README.md', mark: 'virtualClock()', output: 'created\n[]\n' },
  {
    page: 'src/README.md',
    mark: 'cluster.until',
    before: `${IN_MEMORY}
const messages = Array.from({ length: 10 }, (_, n) => ({ partition: n % 2, value: 'x' }))
await cluster.admin.createTopic({ topic: 'orders', partitions: 2 })
await cluster.producer().send({ topic: 'orders', messages })
for (let n = 0; n < 2; n++) {
  const consumer = cluster.consumer({ groupId: 'billing', autoOffsetReset: 'earliest' })
  consumer.subscribe(['orders']).then(() => consumer.run({ eachRecord: () => {} }))
}
`,
    after: `console.log((await cluster.admin.groupLag('billing')).totalLag)\n${CLOSE}`,
    output: '0\n',
  },
]

type AsyncFunctionMaker = new (code: string) => unknown
const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor as AsyncFunctionMaker

/** Ways that exclude each other; programs that test/recipes runs, and kills at every moment. */
const NOT_RUN_HERE = [
  "world.process('worker', program)",
  "faults.on('offsetCommit').dropAnswer()",
  'is processed when the next one is asked for',
  '// at most once',
  '// at least once',
  '// after each record',
]

describe('programs', () => {
  it.each(EXAMPLES.map(example => [`${example.page}: ${example.mark}`, example] as const))(
    '%s',
    async (_, { page, mark, before = '', after = '', output }) => {
      const found = blocksOf(textOf(page), 'js').filter(code => code.includes(mark))
      expect(found, mark).toHaveLength(1)
      const printed = await run(`${before}\n${found[0]}\n${after}`)
      if (typeof output === 'string') expect(printed).toBe(output)
      else expect(printed).toMatch(output)
    },
  )

  it('that leaves for a cluster finds it there', async () => {
    const cluster = await Cluster.memory()
    onTestFinished(() => cluster.close())
    const { bootstrap } = await cluster.listen({ port: 0 })
    const [code = ''] = blocksOf(textOf('README.md'), 'js').filter(each => each.includes('env.KAFKA'))
    expect(await run(code, { KAFKA: bootstrap.join() })).toBe("[ 'greetings' ]\n")
    expect(await cluster.admin.listTopics()).toEqual(['greetings'])
  })

  it('with commands import a file of events and replay it', () => {
    const cwd = project()
    const times = ['2026-01-31T11:00:00Z', '2026-01-31T12:00:00.200Z', '2026-01-31T12:00:00.400Z']
    const lines = times.map((time, id) => `${JSON.stringify({ id, time })}\n`)
    writeFileSync(join(cwd, 'events.jsonl'), lines.join(''))
    const [code = ''] = blocksOf(textOf('README.md'), 'sh').filter(each => each.includes('import'))
    const commands = code.replaceAll('npx partlog', `node '${CLI}'`).replace('--speed 10x', '')
    expect(commands).not.toBe(code)
    const out = execFileSync('sh', ['-ec', commands], { cwd, encoding: 'utf8', stdio: 'pipe' })
    expect(out.trim().split('\n')).toHaveLength(3)
    expect(readFileSync(join(cwd, 'afternoon.jsonl'), 'utf8').trim().split('\n')).toHaveLength(2)
  })

  it('are all known here', () => {
    for (const page of PAGES) {
      const marks = EXAMPLES.filter(each => each.page === page).map(({ mark }) => mark)
      const others = blocksOf(textOf(page), 'js').filter(
        code => !marks.some(mark => code.includes(mark)),
      )
      expect(others.filter(code => !NOT_RUN_HERE.some(mark => code.includes(mark)))).toEqual([])
      for (const code of others) expect(() => new AsyncFunction(code), code).not.toThrow()
    }
  })
})

// ── what is named ────────────────────────────────────────────────────────────────────────

/** A heading as a link names it. */
function anchorOf(heading: string): string {
  const words = heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '')
  return words.replaceAll(' ', '-')
}

function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))
}

describe.each(PAGES)('%s', page => {
  it('links to files and headings that exist', () => {
    const text = textOf(page)
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : join(dirname(page), path)
      expect(existsSync(join(ROOT, file)), target).toBe(true)
      if (anchor === undefined) continue
      expect(anchorsOf(readFileSync(join(ROOT, file), 'utf8')), target).toContain(anchor)
    }
  })

  it('names files and folders that exist', () => {
    const names = textOf(page).matchAll(/`((?:src|test|bench)(?:\/[\w.-]+)*\/?)`/g)
    for (const [, path = ''] of names) expect(existsSync(join(ROOT, path)), path).toBe(true)
  })

  it('names scripts that package.json has', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>
    }
    for (const [, name = ''] of textOf(page).matchAll(/\bnpm run ([\w:-]+)/g)) {
      expect(scripts, page).toHaveProperty([name])
    }
  })
})

/** Of a table whose rows name files: the first of a row with its folder, the others beside it. */
function filesInRows(text: string): string[] {
  const rows = text.split('\n').filter(line => line.startsWith('| ') && line.includes('`src/'))
  return rows.flatMap(row => {
    let folder = ''
    return [...row.matchAll(/`([\w./-]+\.ts|src\/[\w/-]+\/)`/g)].map(([, path = '']) => {
      if (!path.startsWith('src/')) return `${folder}/${path}`
      folder = path.slice(0, path.lastIndexOf('/'))
      return path
    })
  })
}

/** Folder, unless it is that of the row above; files; tests. */
const FILES_ROW = /^\| (?:`(src\/[\w/-]*)` )?\| ([a-z][\w, -]+) \| `test\/.* \|$/

describe('the pages', () => {
  it('say in README.md in 10 KB what it is, with six recipes of at most eight lines', () => {
    const text = textOf('README.md')
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(10_240)
    const recipes = text.split('\n## ').find(part => part.startsWith('Recipes\n')) ?? ''
    const blocks = ['js', 'sh'].flatMap(language => blocksOf(recipes, language))
    expect(blocks).toHaveLength(6)
    for (const code of blocks) {
      expect(code.split('\n').filter(line => line !== '').length, code).toBeLessThanOrEqual(8)
    }
  })

  it('map behaviour to files that exist', () => {
    const files = filesInRows(textOf('src/README.md'))
    expect(files.length).toBeGreaterThan(40)
    expect(files.filter(file => !existsSync(join(ROOT, file)))).toEqual([])
  })

  it('name methods that an admin has', () => {
    const section = textOf('src/README.md').split('\n## ').find(part => part.startsWith('Admin\n'))
    const rows = section?.split('\n').filter(line => line.startsWith('| ')) ?? []
    const names = rows.flatMap(row => [...row.matchAll(/`([a-z]\w+)`/gi)].map(([, name]) => name))
    expect(names.length).toBeGreaterThan(15)
    for (const name of names) expect(ClosableAdmin.prototype).toHaveProperty([name as string])
  })

  it('describe every command, with options that it has', () => {
    const text = textOf('src/cli/README.md')
    const help = (...words: string[]): string =>
      execFileSync(process.execPath, [CLI, ...words, '--help'], { encoding: 'utf8' })
    const commands = [...help().matchAll(/^ {2}(\w+) {2,}/gm)].map(([, name]) => name as string)
    expect(commands.length).toBeGreaterThan(8)
    const known = new Set(['--help'])
    for (const name of commands) {
      expect(text, name).toMatch(new RegExp(`^## .*\\b${name}\\b`, 'm'))
      for (const [option] of help(name).matchAll(/--[a-z][a-z-]+/g)) known.add(option)
    }
    const said = [...text.matchAll(/--[a-z][a-z-]+/g)].map(([option]) => option)
    expect(said.filter(option => !known.has(option))).toEqual([])
  })

  it('say of every file without a test of its own name which test proves it', () => {
    const named = new Set<string>()
    let folder = ''
    for (const line of textOf('test/README.md').split('\n')) {
      const [, first = '', files] = FILES_ROW.exec(line) ?? []
      if (files === undefined) continue
      if (first !== '') folder = first
      for (const name of files.split(', ')) named.add(`${folder}${name}.ts`)
    }
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('.ts'))
      .map(path => `src/${path}`)
    const ownTest = (path: string): string => path.replace(/^src(.*)\.ts$/, 'test$1.test.ts')
    const untold = sources.filter(path => !existsSync(join(ROOT, ownTest(path))))
    expect(untold.filter(path => !named.has(path))).toEqual([])
    expect([...named].filter(path => !sources.includes(path))).toEqual([])
  })
})
