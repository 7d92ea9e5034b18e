/* Imports event files into a topic; the library's side of `partlog import`. */

import { Signal } from '../base/tasks.js'
import type { KafkaCluster } from '../client/kafka-cluster.js'
import { loadPart } from '../model/load-part.js'
import type { ImportEventsOptions } from './import/import-options.js'
import type { ImportProgress } from './import/import-run.js'
import type { ImportOutcome } from './import/import-parts.js'
import type { EventSource } from './source/event-files.js'

/** Loads the readers of event files when the first import begins. */
const loadImport = () => loadPart(() => import('./import/import-parts.js'))

/**
 * An import that runs. Iterating over it gives its progress, the newest one each time, and rejects
 * if the import fails; `result` settles either way.
 */
export interface EventImport extends AsyncIterable<ImportProgress> {
  /** What was imported. Rejects with an error that says what is in, and how to continue. */
  readonly result: Promise<ImportOutcome>
}

/**
 * Imports events into a topic: from files (their paths, with `*` for several), or from streams of
 * bytes. The formats are JSON lines and arrays, CSV, TSV, plain lines, exports of `partlog replay`,
 * dumps of kcat, kafkajs, the console consumer, and changes of Debezium; gzip, zstd and UTF-16 are
 * recognized.
 *
 *   const run = importEvents(cluster, 'events.csv', { topic: 'orders', key: 'id' })
 *   for await (const { records } of run) console.log(records)
 *   const { records, badEvents } = await run.result
 *
 * Rejects with INVALID_CONFIG or INVALID_ARGUMENT, before anything is written, for options that are
 * wrong or do not fit the file.
 */
export function importEvents(
  cluster: KafkaCluster,
  source: EventSource | AsyncIterable<Uint8Array | string> | readonly EventSource[],
  options: ImportEventsOptions,
): EventImport {
  const news = new Signal()
  let newest: ImportProgress | undefined
  let isOver = false
  const tell = (progress: ImportProgress): void => {
    newest = progress
    news.notify()
  }
  const begin = async (): Promise<ImportOutcome> => {
    const { importFrom } = await loadImport()
    return await importFrom(cluster, sourcesOf(source), { options, onProgress: tell })
  }
  const result = begin().finally(() => {
    isOver = true
    news.notify()
  })
  result.catch(() => undefined) // whoever asks for the result is told
  return {
    result,
    async *[Symbol.asyncIterator]() {
      let seen: ImportProgress | undefined
      for (;;) {
        const changed = news.wait()
        if (newest !== undefined && newest !== seen) yield (seen = newest)
        else if (isOver) break
        else await changed
      }
      await result
    },
  }
}

function sourcesOf(
  source: EventSource | AsyncIterable<Uint8Array | string> | readonly EventSource[],
): readonly EventSource[] {
  if (typeof source === 'string' || 'bytes' in source) return [source]
  if (Symbol.asyncIterator in source) return [{ name: 'the stream', bytes: source }]
  return source
}
