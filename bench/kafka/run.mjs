/**
 * Clients of Kafka at partlog, over TCP in a process of its own, and at a real broker:
 * `npm run bench:kafka`. kafkajs and the broker are those of test/compat, kcat is the machine's;
 * what is missing is skipped with its reason.
 *
 * Clients run in a process of their own, in turn at both. Next to the rate stands the CPU of the
 * server per record.
 */

import { fileURLToPath } from 'node:url'
import { floorsText } from '../parts/floors.mjs'
import { machineOf, machineText } from '../parts/machine.mjs'
import { readOptions, withFolder } from '../parts/options.mjs'
import { summaryOf, tablesText } from '../parts/report.mjs'
import { keepResult } from '../parts/results.mjs'
import { CLIENTS } from './clients.mjs'
import { openServers } from './servers.mjs'

const COMPAT = fileURLToPath(new URL('../../test/compat/', import.meta.url))
const QUESTION = 'kafka'
const options = readOptions()
const RECORDS = { quick: 20_000, short: 200_000, long: 1_000_000 }[options.size]

await withFolder(options.dir, async folder => {
  const machine = machineOf(folder)
  const { servers, skipped } = await openServers(folder)
  try {
    const clients = CLIENTS.filter(({ name, missing }) => {
      const reason = missing(COMPAT)
      if (reason !== undefined) skipped.push({ name, reason })
      return reason === undefined
    })
    report(machine, await measure(servers, clients), skipped)
  } finally {
    for (const server of servers) await server.stop()
  }
})

/** The results of all rounds, by work and server. */
async function measure(servers, clients) {
  const results = new Map()
  for (let round = 1; round <= options.rounds; round++) {
    for (const client of clients) {
      for (const server of round % 2 === 0 ? servers : servers.toReversed()) {
        const topic = `bench-${client.name}-${round}`
        await server.createTopic(topic)
        for (const [what, run] of Object.entries(client.works)) {
          const name = nameOf(client.name, what, server.name)
          process.stderr.write(`round ${round} of ${options.rounds}: ${name}\n`)
          const result = await timed(run, server, topic)
          results.set(name, [...(results.get(name) ?? []), result])
        }
      }
    }
  }
  return results
}

function nameOf(client, what, server) {
  return `${client}, ${what}: ${server}`
}

/** The time of a client's work, and the CPU that the server took for it. */
async function timed(run, server, topic) {
  const before = server.cpuMs()
  const ms = await run({ address: server.address, topic, records: RECORDS, compat: COMPAT })
  return { count: RECORDS, ms, us: ((server.cpuMs() - before) * 1_000) / RECORDS }
}

function report(machine, results, skipped) {
  const names = [...results.keys()]
  const rows = names.map(name => ({
    name,
    unit: 'k/s',
    measure: name.endsWith(': Kafka') ? 'peer-kafka' : QUESTION,
    params: { records: RECORDS },
  }))
  const cpu = rows.map(row => ({ ...row, name: cpuName(row.name), unit: 'µs' }))
  const floors = names
    .filter(name => name.endsWith(': partlog'))
    .map(row => ({ row, over: row.replace(/partlog$/, 'Kafka'), atLeast: 1 }))
  const plan = {
    name: QUESTION,
    title: 'Clients of Kafka, over TCP',
    durability: 'page cache',
    rows: [...rows, ...cpu],
    floors,
  }
  const all = new Map([...results, ...[...results].map(([name, own]) => [cpuName(name), own])])
  const found = new Map([[QUESTION, all]])
  const questions = summaryOf([plan], found, new Map([[QUESTION, skipped]]))
  const { rounds, size } = options
  const result = { machine, size, rounds, questions }
  const file = keepResult(result, QUESTION)
  if (options.json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  process.stdout.write(`\n${machineText(machine)}\nmedian of ${rounds}, ${RECORDS} records\n\n`)
  process.stdout.write(`${tablesText(questions)}\n\n${floorsText(questions)}\n\n${file}\n`)
}

function cpuName(name) {
  return `${name}, CPU of the server per record`
}
