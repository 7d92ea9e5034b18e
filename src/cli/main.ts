#!/usr/bin/env node
/*
 * The `partlog` command. Exit codes: 0: done. 1: the command failed, found damage or did not
 * finish. 2: the command line is wrong.
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
import { plain } from '../events/text/plain.js'
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
    output.note(overview()) // to standard error: no help was asked for
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
    'Usage: partlog COMMAND [arguments] [options]     partlog COMMAND --help',
    '',
    ...rows,
  ].join('\n')
}

/** The error as one line. */
function sentenceOf(error: unknown): string {
  if (error instanceof UsageError) return plain(error.message)
  return plain(`partlog: ${error instanceof Error ? error.message : String(error)}`)
}

const output = new Output()
// Output may still be on its way when main returns, so a failed write shows only here.
atEnd(() => {
  if (output.failure === undefined) return
  output.note(`partlog: standard output: ${output.failure.message}`)
  exitWith(1)
})
main(output).then(exitWith, (error: unknown) => {
  output.note(sentenceOf(error))
  exitWith(error instanceof UsageError ? 2 : 1)
})
