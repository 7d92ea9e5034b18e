/**
 * Runs test files in the folder it is started in, one each time its parent names one. It keeps what
 * it has read: after a mutant only the file with the mutant is read again, which takes a fraction of
 * the time that a new process takes.
 */

import { join } from 'node:path'
import { createVitest } from 'vitest/node'

const folder = process.cwd()
const vitest = await createVitest('test', {
  root: folder,
  config: join(folder, 'test/vitest.config.ts'),
  watch: false,
  bail: 1,
  testTimeout: 20_000,
  maxWorkers: 1,
  reporters: [{}],
})

process.on('message', ({ by, changed }) => void run(by, changed))
process.on('disconnect', () => process.exit())
process.send({ isReady: true })

/** `file: words` are only the tests with these words in their names. */
async function run(by, changed) {
  for (const path of changed) vitest.invalidateFile(path)
  vitest.state.filesMap.clear() // results of the run before
  vitest.state.errorsSet.clear()
  const [file, words] = by.split(': ')
  if (words === undefined) vitest.resetGlobalTestNamePattern()
  else vitest.setGlobalTestNamePattern(words)
  const specifications = await vitest.getRelevantTestSpecifications([`test/${file}.test.ts`])
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications)
  const problems = unhandledErrors.map(String)
  for (const module of testModules) {
    for (const { message } of module.errors()) problems.push(message)
    for (const test of module.children.allTests('failed')) {
      problems.push(`${test.fullName}: ${test.result().errors?.[0]?.message ?? ''}`)
    }
  }
  if (testModules.length !== 1) problems.push(`${testModules.length} files are ${file}`)
  process.send({ isRed: problems.length > 0, output: problems.join('\n') })
}
