/** `partlog serve`: another process connects over TCP, and a signal ends it cleanly. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WireClient } from '../wire/client.js'
import { CLI, output, partlog, tempFolder } from './helpers.js'

async function served(words: readonly string[]) {
  const child = spawn(process.execPath, [CLI, 'serve', '--port', '0', '--json', ...words])
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const { bootstrap } = JSON.parse(line.toString()) as { bootstrap: string[] }
  const reach = (address: string): WireClient => {
    const [host = '', port] = address.split(':')
    return new WireClient(connect({ host, port: Number(port) }))
  }
  return { child, ended, bootstrap, reach }
}

describe('partlog serve', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('serve accepts clients until %s', async signal => {
    const dir = tempFolder()
    const words = ['--dir', dir, '--brokers', '2', '--topic', 'orders:3,payments']
    const { child, ended, bootstrap, reach } = await served(words)
    expect(bootstrap).toHaveLength(2)
    for (const address of bootstrap) {
      const { topics, brokers } = await reach(address).ask('Metadata', 5, { topics: null })
      expect(brokers.map(({ host, port }) => `${host}:${port}`)).toEqual(bootstrap)
      expect(topics.map(({ name, partitions }) => [name, partitions.length]).toSorted()).toEqual([
        ['orders', 3],
        ['payments', 1],
      ])
    }
    child.kill(signal)
    expect(await ended).toEqual([0, null])
    expect(output(['topics', '--dir', dir])).toContain('payments')
  })

  it('serve --memory keeps nothing', async () => {
    const { child, ended, bootstrap, reach } = await served(['--memory', '--topic', 'orders'])
    const client = reach(bootstrap[0] as string)
    await client.ask('Metadata', 5, { topics: [] })
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    expect(await client.ended()).toBe(true)
  })

  it('serve gives brokers the ids of --broker-ids', async () => {
    const { child, ended, bootstrap, reach } = await served(['--memory', '--broker-ids', '0,7'])
    const { brokers } = await reach(bootstrap[1] as string).ask('Metadata', 5, { topics: [] })
    expect(brokers.map(({ nodeId }) => nodeId)).toEqual([0, 7])
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  it.each([
    [['--port', '70000'], /--port: expected/],
    [['--topic', 'a b'], /--topic: expected names with numbers of partitions/],
    [['--topic', 'orders:0'], /--topic: expected names/],
    [['--brokers', '65'], /--brokers: expected/],
    [['--broker-ids', '0,1,0'], /--broker-ids: expected broker ids from 0, each once/],
    [['--broker-ids', '0,-1'], /--broker-ids: expected/],
    [['--memory', '--brokers', '3', '--broker-ids', '0'], /--brokers or --broker-ids, not both/],
  ])('serve refuses %j', (words, line) => {
    const { code, stdout, stderr } = partlog(['serve', ...words])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(line)
  })
})
