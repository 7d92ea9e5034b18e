/** Commands as data: what words one takes, and what it does. */

import { parseArgs } from 'node:util'
import type { OptionType } from '../base/config.js'
import type { Output } from './output.js'

/** The words after the command were wrong: one line says what was expected, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export interface CommandOption<T> {
  /** undefined: a switch without a value. */
  readonly type: OptionType<T> | undefined
  readonly fallback: T
  /** How the value is called in the help, e.g. DIR. */
  readonly value?: string
  readonly help: string
}

export type CommandOptions = Readonly<Record<string, CommandOption<unknown>>>

export type OptionsOf<O extends CommandOptions> = {
  readonly [K in keyof O]: O[K] extends CommandOption<infer T> ? T : never
}

export interface Command<O extends CommandOptions = CommandOptions> {
  readonly name: string
  readonly summary: string
  /** Words that are no options, as the help shows them: 'FILE', '[TOPIC]'. */
  readonly words: readonly string[]
  readonly options: O
  readonly examples: readonly string[]
  /** Does it; resolves with the exit code. */
  readonly run: (call: Call<O>) => Promise<number>
}

export interface Call<O extends CommandOptions> {
  readonly words: readonly string[]
  readonly options: OptionsOf<O>
  readonly output: Output
}

/** Ties a command's options to its function. */
export function command<O extends CommandOptions>(definition: Command<O>): Command {
  return definition as unknown as Command
}

export function valued<T>(
  type: OptionType<T>,
  fallback: T,
  value: string,
  help: string,
): CommandOption<T> {
  return { type, fallback, value, help }
}

export function optionalValue<T>(
  type: OptionType<T>,
  value: string,
  help: string,
): CommandOption<T | undefined> {
  return { type, fallback: undefined, value, help }
}

export function toggle(help: string): CommandOption<boolean> {
  return { type: undefined, fallback: false, help }
}

/** Reads the words of a call by the command's table. Throws UsageError. */
export function parseCall(
  { name, options, words }: Command,
  args: readonly string[],
): Omit<Call<CommandOptions>, 'output'> {
  const parsed = parseWords(name, options, args)
  const wanted = words.filter(word => !word.startsWith('['))
  if (parsed.positionals.length < wanted.length || parsed.positionals.length > words.length) {
    const expected = words.length === 0 ? 'no words' : words.join(' ')
    const got = parsed.positionals.length === 0 ? 'none' : parsed.positionals.join(' ')
    throw new UsageError(`partlog ${name}: expected ${expected}, got ${got}`)
  }
  const values: Record<string, unknown> = {}
  for (const [key, { type, fallback }] of Object.entries(options)) {
    const given = parsed.values[key]
    if (given === undefined) values[key] = fallback
    else if (type === undefined) values[key] = given
    else values[key] = parseValue(name, key, type, String(given))
  }
  return { words: parsed.positionals, options: values }
}

function parseWords(
  name: string,
  options: CommandOptions,
  args: readonly string[],
): { values: Record<string, unknown>; positionals: string[] } {
  const table = Object.fromEntries(
    Object.entries(options).map(([key, { type }]) => [
      key,
      { type: type === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  )
  try {
    return parseArgs({ args: [...args], options: table, allowPositionals: true, strict: true })
  } catch (error) {
    // Node goes on with advice, some of it on lines of its own.
    const { message } = error as Error
    const ambiguous = /^Option '(--[a-z-]+)' argument is ambiguous/.exec(message)?.[1]
    const sentence = ambiguous
      ? `${ambiguous}: expected a value, got a word that begins with '-'`
      : message.split(/\. To specify|\n/)[0]
    const known = Object.keys(options)
      .map(key => `--${key}`)
      .join(', ')
    throw new UsageError(`partlog ${name}: ${sentence} (options: ${known})`)
  }
}

function parseValue<T>(name: string, key: string, type: OptionType<T>, given: string): T {
  const value = type.parseText(given)
  if (value === undefined) {
    throw new UsageError(
      `partlog ${name}: --${key}: expected ${type.expected}, got ${JSON.stringify(given)}`,
    )
  }
  return value
}

/** The help of one command. */
export function helpOf({ name, summary, words, options, examples }: Command): string {
  const rows = Object.entries(options).map(([key, { value, help }]) => {
    const left = value === undefined ? `--${key}` : `--${key} ${value}`
    return `  ${left.padEnd(24)} ${help}`
  })
  const usage = ['partlog', name, ...words, '[options]'].join(' ')
  return [summary, '', `Usage: ${usage}`, '', ...rows, '', ...examples.map(e => `  $ ${e}`)].join(
    '\n',
  )
}
