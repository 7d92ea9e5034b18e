/** How long the event loop was kept from turning. */

import { monitorEventLoopDelay } from 'node:perf_hooks'

const delay = monitorEventLoopDelay({ resolution: 1 })

export function watchLoop() {
  delay.enable()
}

/** What was before does not count. */
export function forgetLoop() {
  setImmediate(() => delay.reset())
}

/** The longest time without a turn; undefined if there was no turn. */
export function loopBusyMs() {
  delay.disable()
  return delay.count > 0 ? delay.max / 1e6 : undefined
}
