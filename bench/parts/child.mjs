/** One measurement in a process of its own: a message names `measure/<name>.mjs` and its params. */

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
