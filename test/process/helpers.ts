/** Runs the built command as users do: in its own process, on its own folders. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, onTestFinished } from 'vitest'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const CLI = join(ROOT, 'dist/cli.js')
/** The library as it was built, for children that import it. */
export const LIBRARY = join(ROOT, 'dist/index.js')

if (!existsSync(CLI) || !existsSync(LIBRARY)) {
  throw new Error('dist/ is missing: these tests run what was built, say `npm run build` first')
}

const tempFolders: string[] = []
afterAll(() => {
  for (const folder of tempFolders) rmSync(folder, { recursive: true, force: true })
})

/** A folder that is gone after the tests of the file. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'partlog-'))
  tempFolders.push(folder)
  return folder
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  /** Words for node before the script. */
  readonly node?: readonly string[]
}

/** Far above what a command costs on a loaded machine: after this it never ends. */
export const COMMAND_MAX_MS = 50_000

/** Runs `partlog` with these words until it ends. */
export function partlog(words: readonly string[], options: RunOptions = {}): Ended {
  return node([...(options.node ?? []), CLI, ...words], options)
}

export interface Running {
  readonly child: ChildProcess
  /** Resolves as soon as standard output and error, together, hold the text. */
  readonly said: (text: string) => Promise<void>
  readonly ended: Promise<Ended>
}

/** Starts `partlog` beside the test, which can serve it meanwhile. Killed when the test is over. */
export function started(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [CLI, ...words], { env: { ...cleanEnv(), ...env } })
  onTestFinished(() => void child.kill('SIGKILL'))
  const texts = { stdout: '', stderr: '' }
  const waiting = new Set<() => void>()
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      texts[name] += chunk.toString()
      for (const look of waiting) look()
    })
  }
  const over = once(child, 'close').then(([code]) => ({ code: code as number | null, ...texts }))
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if ((texts.stdout + texts.stderr).includes(text)) resolve()
      }
      waiting.add(look)
      look()
      void over.then(() => reject(new Error(`it ended and never said "${text}": ${texts.stderr}`)))
    })
  return { child, said, ended: over } satisfies Running
}

/** Runs node with these words until it ends. */
export function node(words: readonly string[], options: RunOptions = {}): Ended {
  const { cwd, input = '', env } = options
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, words, {
    cwd,
    input,
    env: { ...cleanEnv(), ...env },
    timeout: COMMAND_MAX_MS,
    maxBuffer: 64 * 1024 * 1024,
    encoding: 'utf8',
  })
  if (signal !== null) throw new Error(`${words.join(' ')} did not end: ${signal}\n${stderr}`)
  return { code: status, stdout, stderr }
}

/** Runs `partlog` and expects that it works; gives its standard output. */
export function output(words: readonly string[], options?: RunOptions): string {
  const ended = partlog(words, options)
  expect(ended, words.join(' ')).toMatchObject({ code: 0 })
  return ended.stdout
}

/** Runs `partlog` and expects lines of JSON. */
export function jsonLines<T = Record<string, unknown>>(words: readonly string[]): T[] {
  return parseLines(output(words))
}

export function parseLines<T = Record<string, unknown>>(text: string): T[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as T)
}

/** A shell pipeline; `$PARTLOG` is the command, words follow as $1, $2 … */
export function shell(script: string, ...words: readonly string[]): Ended {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', ...words], {
    env: { ...cleanEnv(), PARTLOG: `${process.execPath} ${CLI}` },
    timeout: COMMAND_MAX_MS,
    encoding: 'utf8',
  })
  return { code: status, stdout, stderr }
}

/** A child that runs a module's text; it finds the library under the name LIBRARY. */
export function child(script: string, ...words: readonly string[]): ChildProcess {
  const text = `import { Cluster } from ${JSON.stringify(LIBRARY)}\n${script}`
  return spawn(process.execPath, ['--input-type=module', '-e', text, '--', ...words], {
    env: cleanEnv(),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** Resolves with the child's output up to now as soon as it holds `text`. */
export function printed(process: ChildProcess, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = ''
    let errors = ''
    process.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    process.stdout?.on('data', (chunk: Buffer) => {
      seen += chunk.toString()
      if (seen.includes(text)) resolve(seen)
    })
    process.on('exit', () => reject(new Error(`the child ended: ${errors}`)))
  })
}

export function ended(process: ChildProcess): Promise<number | null> {
  return new Promise(resolve => process.once('close', code => resolve(code)))
}

/** Every file of a folder: name → bytes and time of the last change. */
export function contentOf(folder: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(folder, name)
    const stat = statSync(path)
    const bytes = stat.isFile() ? readFileSync(path).toString('base64') : 'folder'
    files.set(name, `${stat.mtimeMs} ${bytes}`)
  }
  return files
}

/** What vitest sets for itself is nothing that a user has. */
function cleanEnv(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS, FORCE_COLOR, NO_COLOR, ...rest } = process.env
  return rest
}
