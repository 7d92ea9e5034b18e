/** One measurement, alone in its process: `measure/<name>.mjs` is told what to do by a message. */

import { loopBusyMs, watchLoop } from './loop.mjs'

process.once('message', async ({ name, params }) => {
  const { measure } = await import(`../measure/${name}.mjs`)
  watchLoop()
  const result = await measure(params)
  process.send({
    ...result,
    rssBytes: process.resourceUsage().maxRSS * 1024,
    loopBusyMs: loopBusyMs(),
  })
  process.disconnect()
})
