/** One measurement, alone in its process: `measure/<name>.mjs` is told what to do by a message. */

import { monitorEventLoopDelay } from 'node:perf_hooks'

process.once('message', async ({ name, params }) => {
  const { measure } = await import(`../measure/${name}.mjs`)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const result = await measure(params)
  delay.disable()
  process.send({
    ...result,
    rssBytes: process.resourceUsage().maxRSS * 1024,
    // The longest time without a turn of the event loop; unknown to those who never gave it one.
    loopBusyMs: delay.count > 0 ? delay.max / 1e6 : undefined,
  })
  process.disconnect()
})
