/**
 * A command that waits for its disk reports it, and continues when there is room. The kernel refuses
 * to let files grow beyond a limit (EFBIG), which is lifted while the command waits.
 */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CLI, jsonLines, output, tempFolder } from './helpers.js'

const folder = tempFolder()
let count = 0
const fresh = (): string => join(folder, `d${++count}`)

const RECORDS = 20_000
const LIMIT_KIB = 1_024

const lines = join(folder, 'lines.jsonl')
const pad = 'x'.repeat(60)
const events = Array.from({ length: RECORDS }, (_, id) => JSON.stringify({ id, pad }))
writeFileSync(lines, events.join('\n'))

/** Runs the command under the limit; `lift` removes it. */
function limited(words: readonly string[]) {
  const script = `ulimit -S -f ${LIMIT_KIB}; exec "$@"`
  const child = spawn('bash', ['-c', script, 'bash', process.execPath, CLI, ...words])
  onTestFinished(() => void child.kill('SIGKILL'))
  let stderr = ''
  child.stdout.resume()
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const over = once(child, 'close').then(([code]) => code as number | null)
  const lift = (): void => {
    const { status } = spawnSync('prlimit', ['--pid', `${child.pid}`, '--fsize=unlimited'])
    expect(status).toBe(0)
  }
  return { child, over, lift, said: () => stderr }
}

const WAITING =
  /^partlog: waiting: (\w+)-\d does not take records, tried again for up to 1[01]\d s: .*append \/.*\1-\d\/\d{20}\.log: EFBIG \(.*; it continues as soon as there is room$/gm
/** How often the command has printed the sentence. */
const told = ({ said }: { readonly said: () => string }, sentence: RegExp): number =>
  said().match(sentence)?.length ?? 0

const isPossible = spawnSync('prlimit', ['--version']).status === 0

describe.runIf(isPossible)('a full disk', () => {
  it('import reports a full disk once, and continues when there is room', async () => {
    const dir = fresh()
    const running = limited(['import', lines, '--topic', 't', '--dir', dir])
    await expect.poll(() => told(running, WAITING)).toBe(1)
    running.lift()
    expect(await running.over).toBe(0)
    expect(told(running, WAITING)).toBe(1)
    expect(jsonLines(['topics', '--dir', dir, '--json'])).toMatchObject([{ records: RECORDS }])
  })

  it('replay into a topic reports a full disk, and continues when there is room', async () => {
    const dir = fresh()
    output(['import', lines, '--topic', 't', '--dir', dir])
    const running = limited(['replay', 't', '--to', 'copy', '--dir', dir])
    await expect.poll(() => told(running, WAITING)).toBe(1)
    running.lift()
    expect(await running.over).toBe(0)
    const topics = jsonLines<{ topic: string; records: number }>(['topics', '--dir', dir, '--json'])
    expect(topics).toContainEqual(expect.objectContaining({ topic: 'copy', records: RECORDS }))
  })

  it('serve reports a full disk, and refuses its clients', async () => {
    const dir = fresh()
    const running = limited(['serve', '--dir', dir, '--topic', 't', '--port', '0', '--json'])
    const served = once(running.child.stdout, 'data')
    const { bootstrap } = JSON.parse(String((await served)[0])) as { bootstrap: string[] }
    const source = fresh()
    output(['import', lines, '--topic', 't', '--dir', source])
    const sending = limited(['replay', 't', '--to', `kafka://${bootstrap[0]}/t`, '--dir', source])
    const refused = /^partlog: t-0 waits for its disk: append \/.*t-0\/\d{20}\.log: EFBIG \(/gm
    await expect.poll(() => told(running, refused)).toBe(1)
    // Over the wire the other side learns the code alone.
    await expect.poll(sending.said).toMatch(/waiting: t-0 does not take records.*KAFKA_STORAGE/)
    running.lift()
    expect(await sending.over).toBe(0)
    expect(told(running, refused)).toBe(1)
    running.child.kill('SIGTERM')
    expect(await running.over).toBe(0)
  })
})
