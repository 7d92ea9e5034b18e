/** A child that opens the folder when it is told `try`, and closes it when it is told `close`. */

import { appendFileSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Cluster } from '../../dist/index.js'

const { dir, common } = JSON.parse(process.argv[2])
const say = line => writeSync(1, `${line}\n`)
let tries = 0
const note = what => appendFileSync(common, `${what} ${process.pid}/${tries}\n`)
const silent = { debug() {}, info() {}, warn() {}, error() {} }
let cluster
let holding

say('ready')
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'try') {
    const began = performance.now()
    tries++
    try {
      cluster = await Cluster.open({ dir, logger: silent })
      note('o')
      holding = setInterval(() => note('h'), 1)
      say(`got OPEN ${Math.round(performance.now() - began)}`)
    } catch (error) {
      say(`got ${error.code ?? error.stack}`)
    }
  } else {
    clearInterval(holding)
    note('r')
    await cluster.close()
    say('closed')
  }
}
