/** Small tools for things that take time: who waits, who is woken, who comes next. */

/** A promise with its handles outside. */
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

/** Runs tasks one after the other. A failed task rejects its own promise, not the next one. */
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

/** Items of a long list that are done until others get a turn. */
const ITEMS_PER_TURN = 64

/** The items of a list, which may be long; now and then the event loop gets a turn in between. */
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

/** A condition somebody may wait for: `notify` wakes all who wait at that moment. */
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
 * Calls `callback` once when the signal aborts, at once if it has. The function it returns makes
 * sure that it is not called (any more), and must be called when nothing waits for it: signals live
 * long.
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
    promise.then(resolve, reject).finally(done) // also when nobody looks any more
  })
}
