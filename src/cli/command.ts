/* Commands as data: arguments, options, help and the function to run. */

import { parseArgs } from 'node:util'
import type { OptionType } from '../base/options.js'
import type { Output } from './terminal/output.js'
import { UsageError } from './terminal/usage-error.js'

export interface CommandOption<T> {
  /** undefined: a switch without a value. */
  readonly type: OptionType<unknown> | undefined
  /** May be given several times, to give several values. Default false: twice is an error. */
  readonly isRepeatable?: boolean
  readonly fallback: T
  /** Errors do not repeat the given value: it may be a password in the wrong place. */
  readonly isSecret?: boolean
  /** Its value may begin with '-', as in `--from -1h`. */
  readonly mayBeginWithMinus?: boolean
  /** The name of the value in the help, e.g. DIR. */
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
  /**
   * Positional arguments as the help shows them: 'FILE'; in brackets if optional: '[TOPIC]'; with
   * '…' at the end if there may be several.
   */
  readonly args: readonly string[]
  readonly options: O
  readonly examples: readonly string[]
  /** Runs the command; resolves with the exit code. */
  readonly run: (call: Call<O>) => Promise<number>
}

export interface Call<O extends CommandOptions> {
  /** The positional arguments that were given. */
  readonly args: readonly string[]
  readonly options: OptionsOf<O>
  /** The names of the options that were given. */
  readonly given: ReadonlySet<keyof O>
  readonly output: Output
}

/** Defines a command; its `run` sees the types of its own options. */
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

/** An option that may be given several times: a list of its values, empty by default. */
export function repeatable<T>(
  type: OptionType<T>,
  value: string,
  help: string,
): CommandOption<readonly T[]> {
  return { type, fallback: [], isRepeatable: true, value, help }
}

export function toggle(help: string): CommandOption<boolean> {
  return { type: undefined, fallback: false, help }
}

/** Parses a command line by the command's table. Throws UsageError. */
export function parseCall(
  { name, options, args }: Command,
  line: readonly string[],
): Omit<Call<CommandOptions>, 'output'> {
  const parsed = parseLine(name, options, line)
  const needed = args.filter(arg => !arg.startsWith('['))
  const count = parsed.positionals.length
  const most = args.at(-1)?.includes('…') === true ? Infinity : args.length
  if (count < needed.length || count > most) {
    // Only the number, not the text: an argument in a wrong place may be a password.
    const expected = args.length === 0 ? 'no arguments' : args.join(' ')
    const got = count === 0 ? 'none' : `${count} argument${count === 1 ? '' : 's'}`
    throw new UsageError(`partlog ${name}: expected ${expected}, got ${got}`)
  }
  const values: Record<string, unknown> = {}
  for (const [key, option] of Object.entries(options)) {
    values[key] = valueOf(`partlog ${name}: --${key}`, option, parsed.values[key])
  }
  return { args: parsed.positionals, options: values, given: new Set(Object.keys(parsed.values)) }
}

function valueOf(
  where: string,
  { type, fallback, isRepeatable = false, isSecret = false }: CommandOption<unknown>,
  given: readonly (string | boolean)[] | undefined,
): unknown {
  if (given === undefined) return fallback
  if (isRepeatable && type !== undefined) {
    return given.map(each => parseValue(where, type, String(each)))
  }
  if (given.length > 1) throw new UsageError(`${where}: expected once, got ${given.length} times`)
  if (type === undefined) return given[0]
  const value = type.parseText(String(given[0]))
  if (value === undefined && isSecret) throw new UsageError(`${where}: expected ${type.expected}`)
  return parseValue(where, type, String(given[0]))
}

function parseLine(
  name: string,
  options: CommandOptions,
  line: readonly string[],
): { values: Record<string, (string | boolean)[] | undefined>; positionals: string[] } {
  const table = Object.fromEntries(
    Object.entries(options).map(([key, { type }]) => [
      key,
      { type: type === undefined ? ('boolean' as const) : ('string' as const), multiple: true },
    ]),
  )
  try {
    const { values, positionals } = parseArgs({
      args: joined(options, line),
      options: table,
      allowPositionals: true,
      strict: true,
    })
    return { values: values as Record<string, (string | boolean)[] | undefined>, positionals }
  } catch (error) {
    // Node adds advice that does not fit here, some of it on further lines.
    const { message } = error as Error
    const ambiguous = /^Option '(--[a-z-]+)' argument is ambiguous/.exec(message)?.[1]
    const sentence = ambiguous
      ? `${ambiguous}: expected a value, got an argument that begins with '-'`
      : message.split(/\. To specify|\n/)[0]
    const known = Object.keys(options)
      .map(key => `--${key}`)
      .join(', ')
    throw new UsageError(`partlog ${name}: ${sentence} (options: ${known})`)
  }
}

/** `--from -1h` as `--from=-1h`, for the options whose values may begin so. */
function joined(options: CommandOptions, line: readonly string[]): string[] {
  const words: string[] = []
  for (let index = 0; index < line.length; index++) {
    const word = line[index] as string
    const next = line[index + 1]
    const isOption = word.startsWith('--') && options[word.slice(2)]?.mayBeginWithMinus === true
    if (isOption && next !== undefined && /^-[\d.]/.test(next)) {
      words.push(`${word}=${next}`)
      index++
    } else words.push(word)
  }
  return words
}

function parseValue(where: string, type: OptionType<unknown>, given: string): unknown {
  const value = type.parseText(given)
  if (value === undefined) {
    throw new UsageError(`${where}: expected ${type.expected}, got ${JSON.stringify(given)}`)
  }
  return value
}

/** The help of one command. */
export function helpOf({ name, summary, args, options, examples }: Command): string {
  const rows = Object.entries(options).map(([key, { value, help }]) => {
    const left = value === undefined ? `--${key}` : `--${key} ${value}`
    return `  ${left.padEnd(24)} ${help}`
  })
  const usage = ['partlog', name, ...args, '[options]'].join(' ')
  return [summary, '', `Usage: ${usage}`, '', ...rows, '', ...examples.map(e => `  $ ${e}`)].join(
    '\n',
  )
}
