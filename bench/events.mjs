/**
 * What importing and replaying event files costs: `npm run bench:events`. CPU for each line, of
 * whole processes, beside `readline` + `JSON.parse` of the same file in the same round, and beside
 * what people use instead. An empty run of each program is subtracted: it is start-up.
 */

import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machineOf, machineText } from './parts/machine.mjs'
import { readOptions, withFolder } from './parts/options.mjs'
import { spread } from './parts/stats.mjs'
import { figure, table, times } from './parts/table.mjs'

const options = readOptions()
const LINES = { quick: 50_000, short: 1_000_000, long: 5_000_000 }[options.size]
const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const BARE = `
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
const lines = createInterface({ input: createReadStream(process.argv[2]) })
lines.on('line', line => JSON.parse(line))
`

/** `$FILE` is the file of a row, `$DIR` the folder, `$OUT` where output goes. */
const IMPORT = '"$NODE" "$CLI" import "$FILE" --dir "$DIR/new" --durability process --topic'
const REPLAY = '"$NODE" "$CLI" replay --dir "$DIR/data" --to "$OUT"'
const ROWS = [
  { name: 'bare loop: readline + JSON.parse', run: '"$NODE" "$DIR/bare.mjs" "$FILE"' },
  {
    name: 'import: flat JSON, key and time, 6 partitions',
    run: `${IMPORT} t --key id --timestamp time --partitions 6`,
    most: 1,
  },
  { name: 'import: flat JSON, key and time', run: `${IMPORT} t --key id --timestamp time` },
  { name: 'import: plain lines', file: 'plain.log', run: `${IMPORT} t --format lines` },
  { name: 'replay: lines of JSON', run: `${REPLAY} json` },
  { name: 'replay: lines of JSON, 6 partitions', run: `${REPLAY} json6` },
  { name: 'replay: values', run: `${REPLAY} json --format values` },
  { name: 'replay: values of plain lines', file: 'plain.log', run: `${REPLAY} plain --format values` },
  { name: 'jq -c .', needs: 'jq', run: 'jq -c . "$FILE" > "$OUT"' },
  {
    name: 'sqlite3 .import',
    needs: 'sqlite3',
    run: `printf 'create table t(line);\\n.mode ascii\\n.separator "\\037" "\\\\n"\\n.import %s t\\n' "$FILE" | sqlite3 "$DIR/new.db"`,
  },
  // Its half of the work is done by a broker elsewhere: `npm run bench:kafka` has both halves.
  { name: 'kcat -P', needs: 'kcat', broker: true, run: 'kcat -P -b "$KAFKA" -t bench -l "$FILE"' },
]

await withFolder(options.dir, folder => {
  makeFiles(folder)
  const rows = ROWS.filter(({ name }) => options.only.every(each => name.includes(each)))
  const skipped = rows.flatMap(row => (whyNot(row) === undefined ? [] : [[row.name, whyNot(row)]]))
  const run = rows.filter(row => whyNot(row) === undefined)
  const costs = run.map(() => [])
  for (let round = 0; round < options.rounds; round++) {
    run.forEach((row, index) => costs[index].push(costOf(row, folder)))
  }
  report(run, costs, skipped, folder)
})

function whyNot({ needs, broker }) {
  if (needs !== undefined && spawnSync('which', [needs]).status !== 0) return `no ${needs} here`
  if (broker === true && !process.env.KAFKA) return 'no broker: KAFKA=host:port names one'
  return undefined
}

/** Microseconds of CPU and of time for each line. */
function costOf(row, folder) {
  const [whole, empty] = [timed(row, folder, ''), timed(row, folder, 'empty-')]
  const of = name => (Math.max(0, whole[name] - empty[name]) / LINES) * 1e6
  return { cpu: of('cpu'), wall: of('wall'), rss: whole.rss }
}

function timed({ file = 'json.jsonl', run }, folder, prefix) {
  for (const name of ['new', 'new.db', 'out.jsonl']) {
    rmSync(join(folder, name), { recursive: true, force: true })
  }
  const env = {
    ...process.env,
    ...{ NODE: process.execPath, CLI, DIR: folder, FILE: join(folder, prefix + file) },
    OUT: join(folder, 'out.jsonl'),
  }
  const limited = prefix === '' ? run : run.replace('replay ', 'replay --limit 0 ')
  const script = `TIMEFORMAT='%U %S %R'; time { ${limited} ; } >/dev/null 2>"$DIR/errors"`
  const { status, stderr } = spawnSync('bash', ['-c', script], { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${run}: ${stderr}`)
  const [user, system, wall] = stderr.trim().split(' ').map(Number)
  return { cpu: user + system, wall }
}

// ── the files ────────────────────────────────────────────────────────────────────────────

function makeFiles(folder) {
  let seed = 1
  const random = most => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return seed % most
  }
  writeLines(join(folder, 'json.jsonl'), n => {
    const time = new Date(1_700_000_000_000 + n * 37).toISOString()
    return (
      `{"id":"order-${random(100_000)}","time":"${time}","status":"paid",` +
      `"customer":${random(1_000_000)},"total":${random(100_000) / 100},"currency":"EUR"}`
    )
  })
  writeLines(join(folder, 'plain.log'), n => {
    return `10.0.0.${random(256)} "GET /a/${n}" 200 ${random(100_000)} "Mozilla/5.0 (X11)"`
  })
  for (const name of ['empty-json.jsonl', 'empty-plain.log']) writeFileSync(join(folder, name), '')
  writeFileSync(join(folder, 'bare.mjs'), BARE)
  const fill = (file, ...words) =>
    spawnSync(process.execPath, [
      ...[CLI, 'import', join(folder, file), '--dir', join(folder, 'data'), ...words],
      ...['--durability', 'process'],
    ])
  const fields = ['--key', 'id', '--timestamp', 'time']
  fill('json.jsonl', '--topic', 'json', ...fields)
  fill('json.jsonl', '--topic', 'json6', ...fields, '--partitions', '6')
  fill('plain.log', '--topic', 'plain', '--format', 'lines')
  if (!existsSync(join(folder, 'data'))) throw new Error('the import has failed')
}

function writeLines(path, lineOf) {
  const file = openSync(path, 'w')
  let text = ''
  for (let n = 0; n < LINES; n++) {
    text += `${lineOf(n)}\n`
    if (text.length < 1 << 20 && n < LINES - 1) continue
    writeSync(file, text)
    text = ''
  }
  closeSync(file)
}

// ── the report ───────────────────────────────────────────────────────────────────────────

function report(rows, costs, skipped, folder) {
  const bare = costs[rows.findIndex(({ name }) => name.startsWith('bare'))]
  const results = rows.map(({ name, most }, index) => {
    const cpu = spread(costs[index].map(each => each.cpu))
    const wall = spread(costs[index].map(each => each.wall)).median
    const ratios = bare?.map((each, round) => costs[index][round].cpu / each.cpu)
    return { name, cpu, wall, ratio: ratios && spread(ratios).median, most }
  })
  const machine = machineOf(folder)
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ machine, lines: LINES, results, skipped })}\n`)
    return
  }
  const lines = results.map(({ name, cpu, wall, ratio }) => [
    ...[name, `${figure(cpu.median)} µs`, `${figure(cpu.min)} – ${figure(cpu.max)}`],
    ...[times(ratio), `${figure(1 / wall)} M/s`],
  ])
  process.stdout.write(`\n${machineText(machine)}\n${figure(LINES)} lines\n\n`)
  const head = ['', 'CPU per line', 'min – max', 'of the bare loop', 'lines']
  process.stdout.write(`${table(head, lines)}\n`)
  for (const [name, why] of skipped) process.stdout.write(`skipped: ${name}: ${why}\n`)
  for (const { name, ratio, most } of results) {
    if (most === undefined || ratio === undefined) continue
    const word = ratio <= most ? 'holds' : 'below'
    process.stdout.write(`${word}: ${name}: ${times(ratio)} of the bare loop, at most ${most} ×\n`)
  }
}
