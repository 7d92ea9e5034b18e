/** Where clients connect: partlog and a real broker, each a process with its CPU. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect } from '../../dist/index.js'
import { startBroker } from '../../test/compat/kafka/broker.mjs'
import { missingKafka } from '../../test/compat/kafka/jars.mjs'

const PARTLOG = fileURLToPath(new URL('partlog.mjs', import.meta.url))

/** The servers that can be had here, and why others cannot. */
export async function openServers(folder) {
  const servers = [await partlogServer(folder)]
  const reason = missingKafka()
  if (reason !== undefined) return { servers, skipped: [{ name: 'Kafka', reason }] }
  return { servers: [...servers, await kafkaServer()], skipped: [] }
}

async function partlogServer(folder) {
  const words = [PARTLOG, join(folder, 'served')]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  const stop = async () => {
    child.kill('SIGTERM')
    await once(child, 'close')
  }
  return serverOf('partlog', String(line).trim(), { pid: child.pid, stop })
}

async function kafkaServer() {
  const broker = await startBroker()
  return serverOf('Kafka', broker.address, { pid: broker.pid, stop: () => broker.stop() })
}

async function serverOf(name, address, { pid, stop }) {
  const cluster = await connect({ bootstrapServers: address })
  return {
    name,
    address,
    cpuMs: () => cpuOf(pid),
    createTopic: topic => cluster.admin.createTopic({ topic, partitions: 3 }),
    async stop() {
      await cluster.close()
      await stop()
    },
  }
}

/** Linux counts in hundredths of a second; elsewhere nothing is known. */
const MS_PER_TICK = 10
const [USER_AT, SYSTEM_AT] = [11, 12]

/** CPU of a process up to now. */
function cpuOf(pid) {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return NaN
  const fields = readFileSync(file, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[USER_AT]) + Number(fields[SYSTEM_AT])) * MS_PER_TICK
}
