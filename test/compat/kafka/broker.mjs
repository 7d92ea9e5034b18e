/** A real Kafka broker (KRaft, one node) in a temporary folder, on free ports of 127.0.0.1. */

import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CLASSPATH } from './jars.mjs'

const START_MS = 60_000
const STOP_MS = 20_000
const JAVA = ['-Xmx512m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error', ...CLASSPATH]
const HOST = '127.0.0.1'
const PROTOCOLS = ['CONTROLLER:PLAINTEXT']
  .concat(['PLAINTEXT', 'SASL_PLAINTEXT', 'SSL', 'SASL_SSL'].map(name => `${name}:${name}`))
  .join(',')

/**
 * `advertisedPort`: what is told to clients; default: where the broker listens. `listeners`: more of
 * them, as `{ SASL_PLAINTEXT: port }`. `scram`: users, as StorageTool's --add-scram takes them.
 */
export async function startBroker(options = {}) {
  const { advertisedPort, settings = {}, listeners = {}, scram = [] } = options
  const dir = mkdtempSync(join(tmpdir(), 'partlog-kafka-'))
  try {
    const [port, controllerPort] = await freePorts(2)
    const file = join(dir, 'server.properties')
    const ports = { port, controllerPort, advertisedPort: advertisedPort ?? port, listeners }
    writeFileSync(file, propertiesText({ ...propertiesOf(join(dir, 'logs'), ports), ...settings }))
    format(file, scram)
    const child = spawn('java', [...JAVA, 'kafka.Kafka', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const broker = new Broker(dir, port, child)
    await broker.ready()
    return broker
  } catch (error) {
    rmSync(dir, { recursive: true, force: true })
    throw error
  }
}

class Broker {
  #child
  #output = ''
  #ended
  #isEnded = false

  constructor(dir, port, child) {
    this.dir = dir
    this.port = port
    this.address = `${HOST}:${port}`
    this.#child = child
    const keep = chunk => (this.#output = (this.#output + chunk).slice(-8_000))
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    this.#ended = new Promise(resolve => child.once('close', resolve))
    void this.#ended.then(() => (this.#isEnded = true))
    process.once('exit', this.#killAtExit)
  }

  get pid() {
    return this.#child.pid
  }

  /** The folder of its partitions. */
  get logs() {
    return join(this.dir, 'logs')
  }

  /** Resolves when it names itself in its metadata. */
  async ready() {
    const deadline = Date.now() + START_MS
    while ((await brokerCount(this.port)) === 0) {
      if (this.#isEnded || Date.now() > deadline) {
        await this.stop()
        throw new Error(`the broker did not start: ${this.#output}`)
      }
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }

  /** Ends it in order: what it has is in its files. Its folder is removed when `remove` is so. */
  async stop({ remove = true } = {}) {
    process.off('exit', this.#killAtExit)
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    await this.#ended
    clearTimeout(timer)
    if (remove) this.remove()
  }

  remove() {
    rmSync(this.dir, { recursive: true, force: true })
  }

  #killAtExit = () => {
    this.#child.kill('SIGKILL')
    this.remove()
  }
}

function propertiesOf(logs, { port, controllerPort, advertisedPort, listeners }) {
  const more = Object.entries(listeners).map(([name, own]) => `,${name}://localhost:${own}`).join('')
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@${HOST}:${controllerPort}`,
    listeners: `PLAINTEXT://${HOST}:${port},CONTROLLER://${HOST}:${controllerPort}${more}`,
    'advertised.listeners': `PLAINTEXT://${HOST}:${advertisedPort}${more}`,
    'listener.security.protocol.map': PROTOCOLS,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': logs,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 1,
    'group.initial.rebalance.delay.ms': 0,
  }
}

function propertiesText(properties) {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

function format(file, scram) {
  const id = randomBytes(16).toString('base64url')
  const users = scram.flatMap(user => ['--add-scram', user])
  const tool = ['kafka.tools.StorageTool', 'format', '--cluster-id', id, '--config', file, ...users]
  const { status, stdout, stderr } = spawnSync('java', [...JAVA, ...tool], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the storage was not formatted: ${stdout}${stderr}`)
}

/** Ports that were free a moment ago. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(
    servers.map(server => new Promise(resolve => server.listen(0, HOST, () => resolve()))),
  )
  const ports = servers.map(server => server.address().port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** Metadata version 1, for no topics: `int32 size │ int16 3 │ int16 1 │ int32 1 │ null │ int32 0`. */
const ASK_BROKERS = Buffer.from(
  '0000000e' + '0003' + '0001' + '00000001' + 'ffff' + '00000000',
  'hex',
)

/** How many brokers the one at this port knows; 0: it does not answer (yet). */
function brokerCount(port) {
  return new Promise(resolve => {
    const socket = connect(port, HOST, () => socket.write(ASK_BROKERS))
    const settle = count => {
      resolve(count)
      socket.destroy()
    }
    socket.setTimeout(2_000, () => settle(0))
    socket.on('error', () => settle(0))
    socket.on('close', () => settle(0))
    // Size, correlation id, then the count of the brokers.
    socket.once('data', chunk => settle(chunk.length >= 12 ? chunk.readInt32BE(8) : 0))
  })
}
