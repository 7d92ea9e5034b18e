/* Merges several streams of records by time; the order within each stream is kept. */

/** What the merge looks at. */
export interface Timed {
  readonly partition: number
  readonly timestamp: number
}

/** Records of one log in its order, some at a time. */
export type RecordStream<T extends Timed> = AsyncGenerator<readonly T[], void>

interface Head<T extends Timed> {
  readonly stream: RecordStream<T>
  records: readonly T[]
  at: number
}

const CHUNK_RECORDS = 1024

/**
 * Yields the earliest of the streams' next records; of equal times the lowest partition first. A
 * single stream is passed on as it is.
 */
export async function* mergedByTime<T extends Timed>(
  streams: readonly RecordStream<T>[],
): RecordStream<T> {
  const heads: Head<T>[] = []
  try {
    if (streams.length === 1) {
      yield* streams[0] as RecordStream<T>
      return
    }
    for (const stream of streams) {
      const head = { stream, records: [], at: 0 }
      if (await refill(head)) heads.push(head)
    }
    while (heads.length > 0) {
      const { chunk, empty } = taken(heads)
      yield chunk
      if (empty !== undefined && !(await refill(empty))) heads.splice(heads.indexOf(empty), 1)
    }
  } finally {
    for (const stream of streams) await stream.return()
  }
}

async function refill<T extends Timed>(head: Head<T>): Promise<boolean> {
  for (;;) {
    const { value, done } = await head.stream.next()
    if (done === true) return false
    if (value.length === 0) continue
    head.records = value
    head.at = 0
    return true
  }
}

/** The next records, up to the moment when a stream has to be asked for more. */
function taken<T extends Timed>(heads: readonly Head<T>[]): { chunk: T[]; empty?: Head<T> } {
  const chunk: T[] = []
  while (chunk.length < CHUNK_RECORDS) {
    let best = heads[0] as Head<T>
    for (let index = 1; index < heads.length; index++) {
      const head = heads[index] as Head<T>
      if (isBefore(head.records[head.at] as T, best.records[best.at] as T)) best = head
    }
    chunk.push(best.records[best.at++] as T)
    if (best.at === best.records.length) return { chunk, empty: best }
  }
  return { chunk }
}

function isBefore(a: Timed, b: Timed): boolean {
  return a.timestamp < b.timestamp || (a.timestamp === b.timestamp && a.partition < b.partition)
}
