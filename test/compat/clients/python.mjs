/** Clients that are Python: a process of its own carries out the steps. */

import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(new URL('python/', import.meta.url))
const LOOK_EVERY_MS = 50

/** A client by the module it is imported as, and the script that uses it. */
export function pythonClient({ name, module, script, steps }) {
  let python
  return {
    name,
    takesSockets: false,
    missing() {
      python = pythonsHere().find(each => hasModule(each, module))
      return python === undefined ? `no python3 has the module ${module}` : undefined
    },
    connect: ({ bootstrap }) => withSteps(new Python(python, join(HERE, script), bootstrap), steps),
  }
}

/** Every python3 on the path: distributions and version managers have their own modules. */
function pythonsHere() {
  const all = (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, 'python3'))
  return [...new Set(all)].filter(isExecutable)
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Asked where the script will run: Python takes any folder beside it for a module. */
function hasModule(python, module) {
  return spawnSync(python, ['-c', `import ${module}`], { cwd: HERE }).status === 0
}

/** The client of a session: the process's steps, by their names. */
function withSteps(python, steps) {
  const asked = steps.map(step => [step, (...given) => python.ask(step, ...given)])
  return {
    ...Object.fromEntries(asked),
    consumer: (group, topic) => python.consumer(group, topic),
    errorName: ({ message }) => message,
    close: () => python.close(),
  }
}

class Python {
  #child
  #waiting = new Map()
  #lastId = 0
  #errors = ''

  constructor(python, script, bootstrap) {
    this.#child = spawn(python, ['-B', script, bootstrap.join(',')], { cwd: HERE })
    this.#child.stderr.on('data', chunk => (this.#errors = (this.#errors + chunk).slice(-4_000)))
    const lines = createInterface({ input: this.#child.stdout })
    lines.on('line', line => this.#hear(JSON.parse(line)))
    this.#child.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(this.#errors))
    })
  }

  ask(step, ...given) {
    const id = ++this.#lastId
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#child.stdin.write(`${JSON.stringify({ id, step, given })}\n`)
    return answer
  }

  #hear({ id, result, error, text }) {
    const { resolve, reject } = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) resolve(result)
    else reject(Object.assign(new Error(error), { cause: text }))
  }

  async consumer(group, topic) {
    const id = await this.ask('consumer', group, topic)
    let seen = { records: [], partitions: [] }
    let failure
    const look = async () => (seen = await this.ask('look', id))
    const timer = setInterval(() => look().catch(error => (failure = error)), LOOK_EVERY_MS)
    return {
      get records() {
        return seen.records
      },
      partitions: () => seen.partitions,
      failure: () => failure,
      close: async () => {
        clearInterval(timer)
        await this.ask('leave', id)
      },
    }
  }

  async close() {
    this.#child.stdin.end()
    await new Promise(resolve => this.#child.once('close', resolve))
  }
}
