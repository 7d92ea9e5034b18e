/**
 * What a program loads of the library, and of Node for it: the parts it uses. Counted by the
 * scripts that the engine is given, so that a slow machine changes nothing.
 */

import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { node, ROOT, tempFolder } from './helpers.js'

interface Loaded {
  /** Files of dist, without the hash in their names. */
  readonly files: string[]
  readonly builtIns: string[]
  /** Characters of the library's files. */
  readonly length: number
}

/** Runs `body` as a program with `partlog` imported, or required; what was loaded by its end. */
function loadedBy(body: string, entry: 'index.js' | 'index.cjs' = 'index.js'): Loaded {
  const library = JSON.stringify(join(ROOT, 'dist', entry))
  const get = entry === 'index.js' ? `await import(${library})` : `require(${library})`
  const text = `
    const { createRequire } = await import('node:module')
    const require = createRequire(${library})
    const { Session } = require('node:inspector')
    const session = new Session()
    session.connect()
    const scripts = []
    session.on('Debugger.scriptParsed', ({ params }) => scripts.push(params))
    session.post('Debugger.enable')
    scripts.length = 0 // what was there before
    const partlog = ${get}
    ${body}
    process.exitCode = 0
    console.log(JSON.stringify(scripts.map(({ url, length }) => ({ url, length }))))`
  const words = ['--input-type=module', '--eval', text, '--', tempFolder()]
  const { code, stdout, stderr } = node(words)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const scripts = JSON.parse(stdout) as { readonly url: string; readonly length: number }[]
  const ours = scripts.filter(({ url }) => url.includes(join(ROOT, 'dist')))
  return {
    files: ours.map(({ url }) => basename(url).replace(/-[A-Z0-9]{8}(?=\.)/, '')),
    builtIns: scripts.map(({ url }) => url).filter(url => url.startsWith('node:')),
    length: ours.reduce((sum, { length }) => sum + length, 0),
  }
}

const EVERYTHING = `
  const cluster = await partlog.Cluster.open({ dir: process.argv[1] })
  await cluster.producer().send({ topic: 't', messages: [{ value: 'v' }] })
  const { bootstrap } = await cluster.listen({ port: 0 })
  const remote = await partlog.connect({ bootstrapServers: bootstrap })
  await remote.close()
  await cluster.close()
  await partlog.openLogDirectory(process.argv[1])`

const HEAVY = ['crypto', 'net', 'tls', 'zlib', 'worker_threads'].map(name => `node:${name}`)
const heavyIn = ({ builtIns }: Loaded): string[] => HEAVY.filter(name => builtIns.includes(name))

describe('a program that imports partlog', () => {
  it('an import loads less than a quarter of partlog, and no large modules of Node', () => {
    const alone = loadedBy('')
    const all = loadedBy(EVERYTHING)
    expect(alone.files).toContain('index.js')
    const parts = ['cluster-parts', 'connect-parts', 'log-directory']
    for (const part of parts.map(name => `${name}.cjs`)) {
      expect(alone.files).not.toContain(part)
      expect(all.files).toContain(part)
    }
    expect(heavyIn(alone)).toEqual([])
    expect(all.length).toBeGreaterThan(500_000)
    expect(alone.length / all.length).toBeLessThan(0.25)
  })

  it('a cluster in memory loads no sockets, locks and codecs', () => {
    const loaded = loadedBy(`
      const cluster = await partlog.Cluster.memory()
      await cluster.producer().send({ topic: 't', messages: [{ value: 'v' }] })
      await cluster.close()`)
    expect(loaded.files).toContain('cluster-parts.cjs')
    expect(loaded.files).not.toContain('connect-parts.cjs')
    expect(heavyIn(loaded)).toEqual(['node:crypto'])
  })

  it('a connection to a remote cluster loads no brokers, logs and disks', () => {
    const loaded = loadedBy(`
      const error = await partlog.connect({ bootstrapServers: '127.0.0.1:1' }).catch(error => error)
      if (error.code !== 'NETWORK_EXCEPTION') throw error`)
    expect(loaded.files).toContain('connect-parts.cjs')
    expect(loaded.files).not.toContain('cluster-parts.cjs')
    expect(heavyIn(loaded)).not.toContain('node:tls')
  })

  it('reading a folder loads no brokers and no sockets', () => {
    const loaded = loadedBy(`
      const error = await partlog.openLogDirectory(process.argv[1]).catch(error => error)
      if (error.code !== 'INVALID_ARGUMENT') throw error`)
    expect(loaded.files).toContain('log-directory.cjs')
    expect(loaded.files).not.toContain('cluster-parts.cjs')
    expect(heavyIn(loaded)).toEqual([])
  })

  it('a part of the library that cannot be read is an error', () => {
    const text = `
      import { cpSync, readdirSync, rmSync } from 'node:fs'
      const [folder] = process.argv.slice(1)
      cpSync(${JSON.stringify(join(ROOT, 'dist'))}, folder, { recursive: true })
      const { Cluster } = await import(folder + '/index.js')
      for (const name of readdirSync(folder).filter(name => name.startsWith('cluster-parts')))
        rmSync(folder + '/' + name)
      console.log(String(await Cluster.memory().catch(error => error)))`
    const folder = join(tempFolder(), 'dist')
    const { stdout } = node(['--input-type=module', '--eval', text, '--', folder])
    expect(stdout).toMatch(/KAFKA_STORAGE_ERROR: a part of partlog cannot be loaded: .*cluster-parts/)
    expect(stdout).toMatch(/restart it\n$/)
  })
})

describe('a program that requires partlog', () => {
  it('a require loads what an import loads', () => {
    const [required, imported] = [loadedBy('', 'index.cjs'), loadedBy('')]
    expect(imported.files).toEqual(['index.js', ...required.files])
    expect(heavyIn(required)).toEqual([])
  })
})
