/**
 * Runs a target on inputs: the seeds first, then mutants of them, each by its own seed. A failing
 * input is shrunk: pieces are removed and bytes are zeroed while it fails in the same way.
 */

import { getHeapStatistics } from 'node:v8'
import { seededRandom, type Random } from '../../src/base/random.js'
import { mutated } from './mutate.js'
import { Broken, type Target } from './target.js'

export interface Failure {
  readonly target: string
  /** What has failed, the same for inputs that fail in the same way. */
  readonly kind: string
  readonly error: Error
  /** The shortest input that was found to fail so. */
  readonly input: Buffer
  /** After how many inputs of this target. */
  readonly after: number
}

export interface Figures {
  inputs: number
  accepted: number
  /** How long the last one took. */
  tookMs: number
  /** The longest time of an input, the shortest of three runs: neither a pause nor a neighbour. */
  slowestMs: number
  slowest: Buffer
  /** The most memory an input took, in bytes. */
  mostBytes: number
  failures: Failure[]
}

export interface LoopOptions {
  readonly seed: number
  readonly maxInputs: number
  /** Ends earlier when it says so; asked every few inputs. */
  readonly isOver?: () => boolean
  /** Sees each input and what came of it: 'accepted' or the refusal. */
  readonly onOutcome?: (input: Buffer, outcome: string) => void
}

/** Failures that are alike count once; a target with so many is given up. */
const KINDS_MAX = 5
const SHRINK_RUNS_MAX = 1_500
/** Enough for what the engine allocates for itself meanwhile. */
const MEMORY = { bytes: 4 * 1024 * 1024, perByte: 400 }
const NOTHING = Buffer.alloc(0)

export async function fuzz(target: Target, options: LoopOptions): Promise<Figures> {
  const seeds = await target.seeds()
  const figures: Figures = {
    inputs: 0,
    accepted: 0,
    tookMs: 0,
    slowestMs: 0,
    slowest: NOTHING,
    mostBytes: 0,
    failures: [],
  }
  const kinds = new Set<string>()
  for (let n = 0; n < options.maxInputs && kinds.size < KINDS_MAX; n++) {
    if (n % 16 === 0 && options.isOver?.() === true) break
    const input = n < seeds.length ? (seeds[n] as Buffer) : inputOf(target, seeds, options.seed, n)
    const failure = await tried(target, input, figures)
    if (figures.tookMs > figures.slowestMs) await noteSlow(target, input, figures)
    options.onOutcome?.(input, failure instanceof Error ? failure.message : String(failure))
    if (!(failure instanceof Failed)) continue
    if (kinds.has(failure.kind)) continue
    kinds.add(failure.kind)
    const shrunk = await shrink(target, input, failure.kind)
    const { kind, error } = failure
    figures.failures.push({ target: target.name, kind, error, input: shrunk, after: n + 1 })
  }
  return figures
}

async function noteSlow(target: Target, input: Buffer, figures: Figures): Promise<void> {
  let tookMs = figures.tookMs
  for (let again = 0; again < 2; again++) {
    const start = performance.now()
    await tried(target, input)
    tookMs = Math.min(tookMs, performance.now() - start)
  }
  if (tookMs > figures.slowestMs) Object.assign(figures, { slowestMs: tookMs, slowest: input })
}

/** The nth input of a seed. */
function inputOf(target: Target, seeds: readonly Buffer[], seed: number, n: number): Buffer {
  const random = seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca6b))
  const pick = (): Buffer => seeds[random.int(seeds.length)] as Buffer
  const { isText, words, repair } = target
  const bytes = mutated(pick(), random, { isText, words, other: pick() })
  return repair !== undefined && random.int(2) === 0 ? repair(bytes, random) : bytes
}

/** Not a refusal. */
class Failed extends Error {
  constructor(
    readonly kind: string,
    readonly error: Error,
  ) {
    super(kind)
  }
}

/** Runs one input: 'accepted', 'passed over', the refusal, or a Failed. */
export async function tried(
  target: Target,
  input: Buffer,
  figures?: Figures,
): Promise<'accepted' | 'passed over' | Error> {
  const first = await measured(target, input)
  if (figures !== undefined) {
    figures.inputs++
    figures.tookMs = first.tookMs
    if (first.outcome === 'accepted') figures.accepted++
    figures.mostBytes = Math.max(figures.mostBytes, first.grown)
  }
  const polluted = pollution()
  if (polluted !== undefined || first.outcome instanceof Failed) return polluted ?? first.outcome
  // What was freed meanwhile does not count, nor what another input had left: the least of three.
  let { grown } = first
  for (let again = 0; again < 2 && isGreedy(target, input, grown); again++) {
    grown = Math.min(grown, (await measured(target, input)).grown)
  }
  if (!isGreedy(target, input, grown)) return first.outcome
  const sentence = `${grown} bytes of memory for ${input.length} of input`
  return new Failed('too much memory', new Error(sentence))
}

async function measured(target: Target, input: Buffer) {
  const bytes = Buffer.from(input)
  const memoryBefore = memoryUsed()
  const start = performance.now()
  let outcome: 'accepted' | 'passed over' | Error
  try {
    const result = target.run(bytes)
    outcome = (typeof result === 'boolean' ? result : await result) ? 'accepted' : 'passed over'
  } catch (error) {
    outcome = asOutcome(target, error)
  }
  return { outcome, tookMs: performance.now() - start, grown: memoryUsed() - memoryBefore }
}

function asOutcome(target: Target, error: unknown): Error {
  if (!(error instanceof Error)) return new Failed(`threw ${String(error)}`, new Error(String(error)))
  if (!(error instanceof Broken) && target.refuses(error)) return error
  const sentence = error.message.replace(/\d+/g, 'N').slice(0, 120)
  return new Failed(`${error.name}: ${sentence}`, error)
}

function pollution(): Failed | undefined {
  for (const name in {}) {
    delete (Object.prototype as Record<string, unknown>)[name]
    return new Failed(`Object.prototype has ${name}`, new Error(name))
  }
  return undefined
}

function isGreedy(target: Target, input: Buffer, grown: number): boolean {
  const { bytes, perByte } = target.memory ?? MEMORY
  return grown > bytes + perByte * input.length
}

function memoryUsed(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}

// ── shrinking ────────────────────────────────────────────────────────────────────────────

async function shrink(target: Target, input: Buffer, kind: string): Promise<Buffer> {
  let best = input
  let left = SHRINK_RUNS_MAX
  const fails = async (candidate: Buffer): Promise<boolean> => {
    if (left-- <= 0) return false
    const outcome = await tried(target, candidate)
    if (!(outcome instanceof Failed) || outcome.kind !== kind) return false
    best = candidate
    return true
  }
  for (let isShorter = true; isShorter && left > 0;) {
    isShorter = false
    for (let size = best.length; size >= 1; size >>= 1) {
      for (let at = 0; at + size <= best.length && left > 0;) {
        const without = Buffer.concat([best.subarray(0, at), best.subarray(at + size)])
        if (await fails(without)) isShorter = true
        else at += size
      }
    }
  }
  for (let at = 0; at < best.length && left > 0; at++) {
    if (best[at] === 0) continue
    const zeroed = Buffer.from(best)
    zeroed[at] = 0
    await fails(zeroed)
  }
  return best
}

/** What a person needs to see a failure again. */
export function toldOf({ target, kind, error, input, after }: Failure): string {
  const hex = input.toString('hex')
  const place = (error.stack ?? '').split('\n').slice(1, 5).join('\n')
  return (
    `${target}, after ${after} inputs: ${kind}\n${error.message}\n${place}\n` +
    `  npm run fuzz -- --target ${target} --input ${hex === '' ? '-' : hex}`
  )
}

export type { Random }
