/**
 * Where the command's words go: data to standard output, everything else to standard error. The
 * only home of the process's streams. A reader that goes away (`| head`) ends the command quietly.
 */

import { plainJson, plainLines, withoutSecrets } from './plain.js'

export class Output {
  #isClosed = false
  #failure: Error | undefined

  constructor(
    readonly stdout: NodeJS.WriteStream = process.stdout,
    readonly stderr: NodeJS.WriteStream = process.stderr,
  ) {
    stdout.on('error', (error: NodeJS.ErrnoException) => {
      this.#isClosed = true
      if (error.code !== 'EPIPE') this.#failure ??= error
    })
    stderr.on('error', () => undefined) // nobody is left to be told
  }

  /** Nobody reads the data any more: there is no point in going on. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Why data did not reach its reader, if that is an error: a disk that is full, say. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Writes data; resolves when there is room for more. */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.#isClosed || this.stdout.write(data)) return
    await new Promise<void>(resolve => {
      const done = (): void => {
        this.stdout.off('drain', done).off('close', done).off('error', done)
        resolve()
      }
      this.stdout.on('drain', done).on('close', done).on('error', done)
    })
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`)
  }

  async json(value: unknown): Promise<void> {
    await this.line(plainJson(value))
  }

  /** Says something to a person, without escape sequences and passwords of addresses. */
  note(text: string): void {
    this.stderr.write(`${withoutSecrets(plainLines(text))}\n`)
  }

  /** Is a person watching standard error? */
  get isWatched(): boolean {
    return this.stderr.isTTY === true
  }
}

/** Ends with a code once everything written has gone out. */
export function exitWith(code: number): void {
  process.exitCode = code
}

/** Calls `callback` when nothing is left to do or to write. */
export function atEnd(callback: () => void): void {
  process.once('beforeExit', callback)
}

/** The words after the command's name. */
export function commandLine(): string[] {
  return process.argv.slice(2)
}

/** What the environment says under a name. */
export function environment(name: string): string | undefined {
  return process.env[name]
}

/** May colours be used? (https://no-color.org) */
export function mayColor(): boolean {
  return (environment('NO_COLOR') ?? '') === ''
}

/** Resolves with the first of these signals; until then the process stays. */
export function told(...signals: readonly NodeJS.Signals[]): Promise<string> {
  return new Promise(resolve => {
    const onSignal = (signal: NodeJS.Signals): void => {
      for (const each of signals) process.off(each, onSignal)
      resolve(signal)
    }
    for (const signal of signals) process.on(signal, onSignal)
  })
}
