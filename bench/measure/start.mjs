/**
 * What new processes take: the import of the library, the first unit test after it and the next
 * ones; and a whole program that appends one durable record. Times of programs are compared
 * with an empty one that runs in turn with them.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median } from '../parts/stats.mjs'

const LIBRARY = JSON.stringify(fileURLToPath(new URL('../../dist/index.js', import.meta.url)))
const TIMES = 5
const NEXT_TESTS = 20

const PROGRAMS = {
  empty: '',
  import: `import ${LIBRARY}`,
  tests: `
    import { Cluster } from ${LIBRARY}
    async function unitTest() {
      const startedAt = performance.now()
      const cluster = await Cluster.memory()
      await cluster.admin.createTopic({ topic: 't' })
      await cluster.producer().send({ topic: 't', messages: [{ value: 'v' }] })
      const consumer = cluster.consumer({ autoOffsetReset: 'earliest' })
      await consumer.assign([{ topic: 't', partition: 0 }])
      const records = await consumer.poll()
      await cluster.close()
      if (records.length !== 1) throw new Error('the record did not come')
      return performance.now() - startedAt
    }
    const times = []
    for (let n = 0; n <= ${NEXT_TESTS}; n++) times.push(await unitTest())
    console.log(JSON.stringify(times))`,
  durable: `
    import { Cluster } from ${LIBRARY}
    const cluster = await Cluster.open({ dir: process.argv[2] })
    await cluster.producer().send({ topic: 't', messages: [{ value: 'v' }] })
    await cluster.close()`,
}

export function measure({ dir }) {
  const run = name => {
    const file = join(dir, `${name}.mjs`)
    writeFileSync(file, PROGRAMS[name])
    const data = join(dir, 'data')
    mkdirSync(data, { recursive: true })
    const startedAt = performance.now()
    const { status, stdout, stderr } = spawnSync(process.execPath, [file, data])
    const ms = performance.now() - startedAt
    if (status !== 0) throw new Error(stderr.toString())
    rmSync(data, { recursive: true })
    return { ms, stdout: stdout.toString() }
  }
  const times = { empty: [], import: [], durable: [] }
  for (let n = 0; n < TIMES; n++) for (const name in times) times[name].push(run(name).ms)
  const [empty, imported, durable] = Object.values(times).map(median)
  const [firstTestMs, ...next] = JSON.parse(run('tests').stdout)
  return {
    importMs: imported - empty,
    durableMs: durable - empty,
    firstTestMs,
    nextTestMs: median(next),
  }
}
