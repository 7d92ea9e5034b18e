#!/usr/bin/env node
/**
 * The `partlog` command. Exit codes: 0 done, 1 it did not work or something is wrong, 2 the words
 * of the call were wrong.
 */

import packageJson from '../../package.json'
import { type Command, helpOf, parseCall } from './command.js'
import { demoCommand } from './demo.js'
import { groupsCommand } from './groups-command.js'
import { importCommand } from './import.js'
import { inspectCommand } from './inspect.js'
import { mirrorCommand } from './mirror.js'
import { replayCommand } from './replay.js'
import { serveCommand } from './serve.js'
import { atEnd, commandLine, exitWith, Output } from './terminal/output.js'
import { plain } from './terminal/plain.js'
import { UsageError } from './terminal/usage-error.js'
import { topicsCommand } from './topics-command.js'
import { verifyCommand } from './verify.js'

const COMMANDS: readonly Command[] = [
  demoCommand,
  importCommand,
  replayCommand,
  mirrorCommand,
  topicsCommand,
  groupsCommand,
  serveCommand,
  inspectCommand,
  verifyCommand,
]

async function main(output: Output): Promise<number> {
  const [name, ...args] = commandLine()
  if (name === undefined) {
    output.note(overview()) // an answer to nothing that was asked: no data
    return 2
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    await output.line(overview())
    return 0
  }
  if (name === '--version') {
    await output.line(packageJson.version)
    return 0
  }
  const command = COMMANDS.find(candidate => candidate.name === name)
  if (command === undefined) {
    const known = COMMANDS.map(each => each.name).join(', ')
    throw new UsageError(`partlog: expected one of ${known}, got ${JSON.stringify(name)}`)
  }
  if (args.includes('--help') || args.includes('-h')) {
    await output.line(helpOf(command))
    return 0
  }
  return await command.run({ ...parseCall(command, args), output })
}

function overview(): string {
  const rows = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`)
  return [
    "partlog: Kafka's model in a folder.",
    '',
    'Usage: partlog COMMAND [words] [options]     partlog COMMAND --help',
    '',
    ...rows,
  ].join('\n')
}

/** One line about what went wrong. */
function sentenceOf(error: unknown): string {
  if (error instanceof UsageError) return plain(error.message)
  return plain(`partlog: ${error instanceof Error ? error.message : String(error)}`)
}

const output = new Output()
// Only now is it known whether what was written last has arrived.
atEnd(() => {
  if (output.failure === undefined) return
  output.note(`partlog: standard output: ${output.failure.message}`)
  exitWith(1)
})
main(output).then(exitWith, (error: unknown) => {
  output.note(sentenceOf(error))
  exitWith(error instanceof UsageError ? 2 : 1)
})
