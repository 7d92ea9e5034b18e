/* Small tools for work that takes time: promises, queues, limits and signals. */

/** A promise that outside code settles. */
export class Deferred<T> {
  readonly promise: Promise<T>
  resolve!: (value: T) => void
  reject!: (error: unknown) => void

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

/** Runs tasks in order, one at a time. A failed task rejects only its own promise. */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve()

  run<T>(task: () => Promise<T> | T): Promise<T> {
    const result = this.#tail.then(task)
    this.#tail = result.catch(() => undefined)
    return result
  }

  /** Resolves when everything queued so far has ended. */
  async idle(): Promise<void> {
    await this.#tail
  }
}

/** Lets at most `limit` tasks run at a time; the others wait in order. */
export class Limiter {
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(readonly limit: number) {}

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.limit) {
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    } else {
      this.#running++
    }
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}

/** Items of a long list that are handled before other work gets a turn. */
const ITEMS_PER_TURN = 64

/** The items of a list, which may be long; the event loop gets a turn every 64 items. */
export async function* paced<T>(
  items: Iterable<T>,
  { turn }: { turn(): Promise<void> },
): AsyncGenerator<T> {
  let left = ITEMS_PER_TURN
  for (const item of items) {
    if (left-- === 0) {
      await turn()
      left = ITEMS_PER_TURN
    }
    yield item
  }
}

/** Waits for all tasks, even if one fails; throws the first failure. */
export async function allDone(tasks: Iterable<Promise<unknown> | undefined>): Promise<void> {
  for (const each of await Promise.allSettled(tasks)) {
    if (each.status === 'rejected') throw each.reason
  }
}

/** Handles all items, a few at a time. */
export async function eachOf<T>(
  items: Iterable<T>,
  atOnce: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]()
  const work = async (): Promise<void> => {
    for (let next = queue.next(); next.done !== true; next = queue.next()) await task(next.value)
  }
  await allDone(Array.from({ length: atOnce }, work))
}

/** A condition to wait for: `notify` resolves every wait that has begun by then. */
export class Signal {
  #deferred: Deferred<void> | undefined

  wait(): Promise<void> {
    this.#deferred ??= new Deferred<void>()
    return this.#deferred.promise
  }

  notify(): void {
    const deferred = this.#deferred
    this.#deferred = undefined
    deferred?.resolve()
  }
}

/**
 * Calls `callback` once when the signal aborts, at once if it has. The function it returns removes
 * the listener. Call it when nothing waits any more: a signal may outlive its listeners.
 */
export function whenAborted(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => undefined
  if (signal.aborted) callback()
  else signal.addEventListener('abort', callback, { once: true })
  return () => signal.removeEventListener('abort', callback)
}

/** Rejects with the signal's reason when it aborts before `promise` settles. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const done = whenAborted(signal, () => reject(signal.reason as Error))
    promise.then(resolve, reject).finally(done) // even if the signal has aborted
  })
}
