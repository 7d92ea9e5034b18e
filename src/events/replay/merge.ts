/* Merges several streams of records by time; the order within each stream is kept. */

import type { StoredTopicRecord } from '../../log/inspection/partition-directory.js'

type Source = AsyncGenerator<StoredTopicRecord, void>

interface Head {
  readonly source: Source
  record: StoredTopicRecord
}

/** Yields the earliest of the streams' next records; of equal times the lowest partition first. */
export async function* byTime(sources: readonly Source[]): Source {
  const heads: Head[] = []
  try {
    for (const source of sources) {
      const { value, done } = await source.next()
      if (done !== true) heads.push({ source, record: value })
    }
    while (heads.length > 0) {
      const index = earliest(heads)
      const head = heads[index] as Head
      yield head.record
      const { value, done } = await head.source.next()
      if (done === true) heads.splice(index, 1)
      else head.record = value
    }
  } finally {
    for (const source of sources) await source.return()
  }
}

function earliest(heads: readonly Head[]): number {
  let best = 0
  for (let index = 1; index < heads.length; index++) {
    if (isBefore((heads[index] as Head).record, (heads[best] as Head).record)) best = index
  }
  return best
}

function isBefore(a: StoredTopicRecord, b: StoredTopicRecord): boolean {
  return a.timestamp < b.timestamp || (a.timestamp === b.timestamp && a.partition < b.partition)
}
