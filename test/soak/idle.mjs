/** A child that does nothing, and says every ten seconds what p99 its event loop is late by. */

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { RESOLUTION_MS } from './measures.mjs'

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
delay.enable()
setInterval(() => {
  process.send(Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS))
  delay.reset()
}, 10_000)
process.once('disconnect', () => process.exit(0))
