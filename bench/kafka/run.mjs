/**
 * Clients of Kafka at partlog, over TCP in a process of its own, and at a real broker:
 * `npm run bench:kafka`. kafkajs and the broker are those of test/compat, kcat is the machine's;
 * what is missing is skipped with its reason.
 *
 * Clients run in a process of their own, in turn at both. Beside the rate stands the CPU of the
 * server per record.
 */

import { fileURLToPath } from 'node:url'
import { machineOf, machineText } from '../parts/machine.mjs'
import { readOptions, withFolder } from '../parts/options.mjs'
import { median } from '../parts/stats.mjs'
import { figure, table } from '../parts/table.mjs'
import { CLIENTS } from './clients.mjs'
import { openServers } from './servers.mjs'

const COMPAT = fileURLToPath(new URL('../../test/compat/', import.meta.url))
const options = readOptions()
const RECORDS = { quick: 20_000, short: 200_000, long: 1_000_000 }[options.size]

await withFolder(options.dir, async folder => {
  const machine = machineOf(folder)
  const { servers, skipped } = await openServers(folder)
  try {
    const clients = CLIENTS.filter(({ name, missing }) => {
      const reason = missing(COMPAT)
      if (reason !== undefined) skipped.push(`${name}: ${reason}`)
      return reason === undefined
    })
    report(machine, await measure(servers, clients), skipped)
  } finally {
    for (const server of servers) await server.stop()
  }
})

/** Rounds of all clients at all servers, in turn. */
async function measure(servers, clients) {
  const rows = new Map()
  for (let round = 1; round <= options.rounds; round++) {
    for (const client of clients) {
      for (const server of round % 2 === 0 ? servers : servers.toReversed()) {
        const topic = `bench-${client.name}-${round}`
        await server.createTopic(topic)
        for (const [what, ms, cpuMs] of await timed(client, server, topic)) {
          const name = `${client.name}, ${what}: ${server.name}`
          process.stderr.write(`round ${round} of ${options.rounds}: ${name}\n`)
          rows.set(name, [...(rows.get(name) ?? []), { ms, cpuMs }])
        }
      }
    }
  }
  return rows
}

/** Each of the client's works, with its time and the CPU that the server took for it. */
async function timed(client, server, topic) {
  const found = []
  for (const [what, run] of Object.entries(client.works)) {
    const before = server.cpuMs()
    const ms = await run({ address: server.address, topic, records: RECORDS, compat: COMPAT })
    found.push([what, ms, server.cpuMs() - before])
  }
  return found
}

function report(machine, rows, skipped) {
  const lines = [...rows].map(([name, all]) => {
    const perSecond = all.map(({ ms }) => RECORDS / ms)
    const cpu = median(all.map(({ cpuMs }) => (cpuMs * 1_000) / RECORDS))
    const range = `${figure(Math.min(...perSecond))} – ${figure(Math.max(...perSecond))}`
    return [name, `${figure(median(perSecond))} k/s`, range, `${figure(cpu)} µs`]
  })
  const head = ['', 'median', 'min – max', 'CPU of the server per record']
  if (options.json) {
    const raw = Object.fromEntries(rows)
    process.stdout.write(`${JSON.stringify({ machine, records: RECORDS, rows: raw, skipped })}\n`)
    return
  }
  process.stdout.write(`\n${machineText(machine)}\n${RECORDS} records of 100 bytes, page cache, `)
  process.stdout.write(`median of ${options.rounds} rounds\n\n${table(head, lines)}\n`)
  for (const each of skipped) process.stdout.write(`skipped: ${each}\n`)
}
