/** The lock of a folder, held and fought for by real processes. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { LOCK_FILES, LockedError, lockFolder } from '../../src/disk/lock.js'

const NOW = Date.UTC(2026, 0, 1)
/** The lock and what it imports. */
const SOURCES = ['lock', 'file-facts', 'system-errors', 'disk']
const sourceOf = (name: string): string =>
  fileURLToPath(new URL(`../../src/disk/${name}.ts`, import.meta.url))

/** Locks the folder, says so, and lets go when told. `hurry` waits for a common start. */
const PROGRAM = `
import { lockFolder } from './lock.js'
const [folder, hurry] = process.argv.slice(2)
process.stdin.setEncoding('utf8')
const told = () => new Promise(resolve => process.stdin.once('data', resolve))
if (hurry) { console.log('ready'); await told() }
try {
  const lock = await lockFolder(folder, ${NOW})
  console.log('locked')
  await told()
  await lock.release()
  console.log('released')
} catch (error) {
  console.log(error.name)
}
process.stdin.destroy()
`

/** Two workers, one after the other: the first keeps the lock while the second tries. */
const CLUSTER_PROGRAM = `
import cluster from 'node:cluster'
import { once } from 'node:events'
import { lockFolder } from './lock.js'
const [folder] = process.argv.slice(2)
if (cluster.isPrimary) {
  for (let i = 0; i < 2; i++) {
    const [answer] = await once(cluster.fork(), 'message')
    console.log(answer)
  }
  for (const worker of Object.values(cluster.workers)) worker.kill('SIGKILL')
} else {
  const answer = await lockFolder(folder, ${NOW}).then(() => 'locked', error => error.name)
  process.send(answer)
}
`

let programs = ''
const folders: string[] = []
const children: ChildProcess[] = []

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'partlog-lock-'))
  folders.push(folder)
  return folder
}

beforeAll(() => {
  programs = mkdtempSync(join(tmpdir(), 'partlog-lock-program-'))
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
  writeFileSync(join(programs, 'package.json'), '{ "type": "module" }')
  for (const name of SOURCES) {
    const text = readFileSync(sourceOf(name), 'utf8')
    const { outputText } = ts.transpileModule(text, { compilerOptions })
    writeFileSync(join(programs, `${name}.js`), outputText)
  }
  writeFileSync(join(programs, 'hold.mjs'), PROGRAM)
  writeFileSync(join(programs, 'cluster.mjs'), CLUSTER_PROGRAM)
})

// Only when its holder is gone may a folder be removed: its inode may be that of a new folder then.
afterEach(async () => {
  await Promise.all(children.splice(0).map(killed))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

afterAll(() => rmSync(programs, { recursive: true, force: true }))

interface Holder {
  readonly child: ChildProcess
  /** The next line the process says. */
  readonly says: () => Promise<string>
  readonly tell: () => void
}

function start(folder: string, hurry = ''): Holder {
  const child = spawn(process.execPath, [join(programs, 'hold.mjs'), folder, hurry], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  const lines: string[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() as string
    lines.push(...parts)
  })
  const says = async (): Promise<string> => {
    while (lines.length === 0) await once(child.stdout, 'data')
    return lines.shift() as string
  }
  return { child, says, tell: () => void child.stdin.write('go\n') }
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

async function refusal(folder: string): Promise<LockedError> {
  const error: unknown = await lockFolder(folder, NOW).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(LockedError)
  return error as LockedError
}

describe('a folder that another process owns', () => {
  it('a folder that another process owns is refused with the name of its owner', async () => {
    const folder = freshFolder()
    const { child, says } = start(folder)
    expect(await says()).toBe('locked')
    const { message, holder } = await refusal(folder)
    expect(holder).toEqual({ pid: child.pid, host: hostname(), since: '2026-01-01T00:00:00.000Z' })
    expect(message).toBe(
      `${folder} is owned by process ${child.pid} on ${hostname()} since 2026-01-01T00:00:00.000Z`,
    )
  })

  it('a folder is free at once when its owner is killed, whatever files it has left', async () => {
    const folder = freshFolder()
    const { child, says } = start(folder)
    expect(await says()).toBe('locked')
    await killed(child)
    expect(existsSync(join(folder, '.lock-holder'))).toBe(true)
    const lock = await lockFolder(folder, NOW)
    expect((await refusal(folder)).message).toContain('owned by this process')
    await lock.release()
  })

  it('a folder is free when its owner releases it', async () => {
    const folder = freshFolder()
    const holder = start(folder)
    expect(await holder.says()).toBe('locked')
    holder.tell()
    expect(await holder.says()).toBe('released')
    await (await lockFolder(folder, NOW)).release()
  })

  it('one of several concurrent processes gets the folder; after its death, another', async () => {
    const folder = freshFolder()
    for (let round = 0; round < 2; round++) {
      const contenders = Array.from({ length: 3 }, () => start(folder, 'hurry'))
      for (const { says } of contenders) expect(await says()).toBe('ready')
      for (const { tell } of contenders) tell()
      const answers = await Promise.all(contenders.map(({ says }) => says()))
      expect(answers.sort()).toEqual([...Array<string>(2).fill('LockedError'), 'locked'])
      for (const { child } of contenders) await killed(child)
    }
  })

  it('a folder cannot be locked by another of its names either', async () => {
    const folder = freshFolder()
    const inner = join(folder, 'inner')
    mkdirSync(inner)
    symlinkSync(inner, join(folder, 'link'))
    const { child, says } = start(inner)
    expect(await says()).toBe('locked')
    expect((await refusal(join(folder, 'link'))).holder?.pid).toBe(child.pid)
    expect((await refusal(join(folder, '.', 'inner'))).holder?.pid).toBe(child.pid)
    renameSync(inner, join(folder, 'renamed'))
    expect((await refusal(join(folder, 'renamed'))).holder?.pid).toBe(child.pid)
  })

  const tamperings: Record<string, (file: string) => void> = {
    removed: file => rmSync(file),
    'replaced by another id': file => writeFileSync(file, '0'.repeat(32)),
    emptied: file => writeFileSync(file, ''),
    'replaced by a folder': file => (rmSync(file), mkdirSync(file)),
  }
  it.each(Object.keys(tamperings))('a folder stays locked when .lock is %s', async name => {
    const folder = freshFolder()
    const { child, says } = start(folder)
    expect(await says()).toBe('locked')
    tamperings[name]?.(join(folder, '.lock'))
    expect((await refusal(folder)).holder?.pid).toBe(child.pid)
    await killed(child)
    await (await lockFolder(folder, NOW)).release()
  })

  it('a folder is refused to other workers of a node:cluster, which share sockets', async () => {
    const folder = freshFolder()
    const primary = spawn(process.execPath, [join(programs, 'cluster.mjs'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(primary)
    let said = ''
    primary.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
    await once(primary, 'close')
    expect(said).toBe('locked\nLockedError\n')
  })

  it('the copy of a locked folder is free', async () => {
    const folder = freshFolder()
    mkdirSync(join(folder, 'inner'))
    const { says } = start(join(folder, 'inner'))
    expect(await says()).toBe('locked')
    cpSync(join(folder, 'inner'), join(folder, 'copy'), { recursive: true })
    await (await lockFolder(join(folder, 'copy'), NOW)).release()
  })

  it.each(['', 'no json', '[1, 2'])('a locked folder is refused with the note %j', async note => {
    const folder = freshFolder()
    const { says } = start(folder)
    expect(await says()).toBe('locked')
    writeFileSync(join(folder, '.lock-holder'), note)
    const { message, holder } = await refusal(folder)
    expect(holder).toBeUndefined()
    expect(message).toBe(`${folder} is owned by another process`)
  })
})

describe('a folder that this process owns', () => {
  it('a folder cannot be locked twice in a process, and is free again after release', async () => {
    const folder = freshFolder()
    const lock = await lockFolder(folder, NOW)
    expect((await refusal(folder)).holder?.pid).toBe(process.pid)
    await lock.release()
    const again = await lockFolder(folder, NOW)
    await again.release()
    await again.release()
    await (await lockFolder(folder, NOW)).release()
  })

  it('the second release of an old lock does not release a newer one', async () => {
    const folder = freshFolder()
    const old = await lockFolder(folder, NOW)
    await old.release()
    const lock = await lockFolder(folder, NOW)
    await old.release()
    expect((await refusal(folder)).message).toContain('owned by this process')
    await lock.release()
  })

  it('a folder is free when locking it has failed half-way', async () => {
    const folder = freshFolder()
    mkdirSync(join(folder, '.lock-holder'))
    await expect(lockFolder(folder, NOW)).rejects.toMatchObject({ code: 'EISDIR' })
    rmSync(join(folder, '.lock-holder'), { recursive: true })
    await (await lockFolder(folder, NOW)).release()
  })

  it('one of many concurrent calls gets the folder', async () => {
    const folder = freshFolder()
    const calls = Array.from({ length: 10 }, () => lockFolder(folder, NOW))
    const results = await Promise.allSettled(calls)
    const locks = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
    expect(locks).toHaveLength(1)
    await locks[0]?.release()
  })

  it('a lock does not affect another folder', async () => {
    const [one, two] = [await lockFolder(freshFolder(), NOW), await lockFolder(freshFolder(), NOW)]
    await one.release()
    await two.release()
  })

  it("a locked folder holds only the lock's files, which only the owner can read", async () => {
    const folder = freshFolder()
    const lock = await lockFolder(folder, NOW)
    for (const name of LOCK_FILES) expect(existsSync(join(folder, name)), name).toBe(true)
    await lock.release()
    expect(existsSync(join(folder, '.lock-holder'))).toBe(false)
  })
})

describe('a folder that is not there', () => {
  it('a missing folder cannot be locked, and the attempt leaves nothing', async () => {
    const folder = join(freshFolder(), 'nowhere')
    await expect(lockFolder(folder, NOW)).rejects.toMatchObject({ code: 'ENOENT' })
    mkdirSync(folder)
    await (await lockFolder(folder, NOW)).release()
  })
})
