/*
 * What a command prints: data to standard output, everything else to standard error. Only this file
 * touches the process's streams. If the reader goes away (`| head`), the command ends quietly.
 */

import { plainJson, plainLines, withoutSecrets } from '../../events/text/plain.js'

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
    stderr.on('error', () => undefined) // there is no other place to report it
  }

  /** Standard output is closed: nothing reads the data any more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Why data could not be written, for example a full disk. undefined: no error, or only EPIPE. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Writes data; resolves when the stream has room for more. */
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

  /** Prints a line for a person, without escape sequences and without passwords of addresses. */
  note(text: string): void {
    this.stderr.write(`${withoutSecrets(plainLines(text))}\n`)
  }

  /** Is standard error a terminal? */
  get isWatched(): boolean {
    return this.stderr.isTTY === true
  }
}

/** Sets the exit code; the process exits once everything is written. */
export function exitWith(code: number): void {
  process.exitCode = code
}

/** Calls `callback` when no work and no output is left. */
export function atEnd(callback: () => void): void {
  process.once('beforeExit', callback)
}

/** The words after the command's name. */
export function commandLine(): string[] {
  return process.argv.slice(2)
}

/** The value of an environment variable. */
export function environment(name: string): string | undefined {
  return process.env[name]
}

/** May colours be used? (https://no-color.org) */
export function mayColor(): boolean {
  return (environment('NO_COLOR') ?? '') === ''
}

/** Resolves with the name of the first of these signals; the process stays alive until it comes. */
export function firstSignal(...signals: readonly NodeJS.Signals[]): Promise<string> {
  return new Promise(resolve => {
    const onSignal = (signal: NodeJS.Signals): void => {
      for (const each of signals) process.off(each, onSignal)
      resolve(signal)
    }
    for (const signal of signals) process.on(signal, onSignal)
  })
}
