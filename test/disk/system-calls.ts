/**
 * System calls that fail as a test wants them to: node:fs in the hands of tests, for what no disk in
 * memory can show (numbers of errors, descriptors that run out). Back to normal after the test.
 */

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { onTestFinished } from 'vitest'

type Call = (...args: never[]) => unknown

/** Puts `wrap` of it in place of each call. */
export function wrapCalls(names: readonly (keyof typeof fs)[], wrap: (real: Call) => Call): void {
  const calls = fs as unknown as Record<string, Call>
  for (const name of names) {
    const real = calls[name] as Call
    calls[name] = wrap(real)
    onTestFinished(() => {
      calls[name] = real
      syncBuiltinESMExports()
    })
  }
  syncBuiltinESMExports()
}

/** What a system call throws, as Node gives it for an error that libuv has no name for, or has. */
export function systemError(code: string, errno: number, syscall = 'write'): Error {
  return Object.assign(new Error(`${code}: ${syscall}`), { code, errno: -errno, syscall })
}

/** Descriptors: now open, the most at a time, and how often one was opened. */
interface DescriptorCount {
  readonly open: number
  readonly most: number
  readonly made: number
}

/** From now on the process may have `limit` more descriptors open at a time; tells how many are. */
export function limitDescriptors(limit: number): DescriptorCount {
  const open = new Set<number>()
  let most = 0
  let made = 0
  const check = (): void => {
    if (open.size >= limit) throw systemError('EMFILE', 24, 'open')
  }
  wrapCalls(['openSync'], real => (...args) => {
    check()
    const descriptor = real(...args) as number
    open.add(descriptor)
    made++
    most = Math.max(most, open.size)
    return descriptor
  })
  wrapCalls(['closeSync'], real => (...args) => {
    open.delete(args[0] as unknown as number)
    return real(...args)
  })
  wrapCalls(['readdirSync'], real => (...args) => {
    check()
    return real(...args)
  })
  return {
    get open() {
      return open.size
    },
    get most() {
      return most
    },
    get made() {
      return made
    },
  }
}
