/** Measurements in processes of their own: the optimiser remembers what ran before. */

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url))

/** Runs one measurement to its end, returns what it found. */
export function measured(name, params) {
  return new Promise((resolve, reject) => {
    const child = fork(CHILD)
    let result
    child.on('message', message => (result = message))
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      if (code === 0 && result !== undefined) resolve(result)
      else reject(new Error(`${name} ended with ${signal ?? `code ${code}`}`))
    })
    child.send({ name, params })
  })
}

/** Runs one until it reports that it is busy, then kills it as a crash would. */
export function killedWhileBusy(name, params) {
  return new Promise((resolve, reject) => {
    const child = fork(CHILD)
    let wasBusy = false
    child.on('message', () => {
      wasBusy = true
      child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      if (wasBusy && signal === 'SIGKILL') resolve()
      else reject(new Error(`${name} ended with ${signal ?? `code ${code}`} before it was killed`))
    })
    child.send({ name, params })
  })
}
