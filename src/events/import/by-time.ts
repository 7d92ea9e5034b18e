/*
 * Puts events in the order of their times while they are read: of files that are nearly in order,
 * and of several files together.
 *
 *   each source ─▶ held back until it is `windowMs` older than the newest one ─▶ merged by time
 *
 * The order depends on the events alone, so another run gives the same one.
 */

import type { Outcome } from '../formats/event-rules.js'
import { BadEvent, type Unit } from '../formats/event-units.js'
import type { EventBatch, EventPlace, EventStream } from './event-stream.js'

/** So many bytes of events are held back; beyond that the oldest ones go on. */
const HELD_BYTES_MAX = 256 * 1024 * 1024
const HELD_EVENTS_MAX = 2_000_000
/** What an event takes in addition to its bytes. */
const AROUND_BYTES = 200
const BATCH_EVENTS = 1024

/** An event with its place, for its way through the merge. */
interface Timed {
  readonly time: number
  /** Keeps events of one time in the order in which they stand. */
  readonly order: number
  readonly outcome: Outcome
  readonly place: EventPlace
  readonly unit: Unit
  readonly bytes: number
}

/** What the order could not do. */
export interface OrderReport {
  /** Events that came later than the window allows: they are out of order. */
  late: number
  /** Events that went on early, because too many were held back. */
  early: number
}

export interface ByTimeOptions {
  readonly windowMs: number
  readonly report: OrderReport
  /** For tests: the bounds of what is held back. */
  readonly heldEventsMax?: number
}

/** The events of all sources in the order of their times. Events without a time go on at once. */
export async function* byTime(
  streams: readonly EventStream[],
  options: ByTimeOptions,
): AsyncGenerator<EventBatch, void> {
  const sources = streams.map(stream => sorted(stream, options))
  const heads: { readonly source: AsyncGenerator<Timed, void>; event: Timed }[] = []
  let batch: Timed[] = []
  try {
    for (const source of sources) {
      const { value, done } = await source.next()
      if (done !== true) heads.push({ source, event: value })
    }
    while (heads.length > 0) {
      const head = heads.reduce((a, b) => (b.event.time < a.event.time ? b : a))
      batch.push(head.event)
      if (batch.length === BATCH_EVENTS) {
        yield batchOf(batch)
        batch = []
      }
      const { value, done } = await head.source.next()
      if (done === true) heads.splice(heads.indexOf(head), 1)
      else head.event = value
    }
    if (batch.length > 0) yield batchOf(batch)
  } finally {
    for (const source of sources) await source.return()
  }
}

function batchOf(events: readonly Timed[]): EventBatch {
  return {
    outcomes: events.map(({ outcome }) => outcome),
    placeOf: index => (events[index] as Timed).place,
    unitOf: index => (events[index] as Timed).unit,
  }
}

/** One source in the order of its times, within the window. */
async function* sorted(
  stream: EventStream,
  { windowMs, report, heldEventsMax = HELD_EVENTS_MAX }: ByTimeOptions,
): AsyncGenerator<Timed, void> {
  const held = new TimeHeap()
  let newest = -Infinity
  let emitted = -Infinity
  let order = 0
  const next = (): Timed => {
    const event = held.pop()
    emitted = Math.max(emitted, event.time)
    return event
  }
  for await (const batch of stream.batches()) {
    for (let index = 0; index < batch.outcomes.length; index++) {
      const event = timedOf(batch, index, { order: order++, emitted })
      if (event.time < emitted && event.outcome !== undefined) report.late++
      newest = Math.max(newest, event.time)
      held.push(event)
      while (held.oldest < newest - windowMs) yield next()
      while (held.size > heldEventsMax || held.bytes > HELD_BYTES_MAX) {
        report.early++
        yield next()
      }
    }
  }
  while (held.size > 0) yield next()
}

/** What has no time of its own goes on beside the events that have gone on. */
function timedOf(
  batch: EventBatch,
  index: number,
  { order, emitted }: { readonly order: number; readonly emitted: number },
): Timed {
  const outcome = batch.outcomes[index]
  const unit = batch.unitOf(index)
  const isMessage = outcome !== undefined && !(outcome instanceof BadEvent)
  const time = isMessage ? Number(outcome.timestamp ?? emitted) : emitted
  const bytes = AROUND_BYTES + (unit instanceof BadEvent ? 0 : unit.length)
  return { time, order, outcome, place: batch.placeOf(index), unit, bytes }
}

/** The oldest event first; of equal times the one that stands first. */
class TimeHeap {
  readonly #events: Timed[] = []
  #bytes = 0

  get size(): number {
    return this.#events.length
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The time of the first event; there must be one. */
  get oldest(): number {
    return (this.#events[0] as Timed).time
  }

  push(event: Timed): void {
    const events = this.#events
    this.#bytes += event.bytes
    let at = events.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, events[parent] as Timed)) break
      events[at] = events[parent] as Timed
      at = parent
    }
    events[at] = event
  }

  pop(): Timed {
    const events = this.#events
    const first = events[0] as Timed
    const last = events.pop() as Timed
    this.#bytes -= first.bytes
    if (events.length > 0) this.#sink(last)
    return first
  }

  #sink(event: Timed): void {
    const events = this.#events
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= events.length) break
      const right = child + 1
      if (right < events.length && isBefore(events[right] as Timed, events[child] as Timed)) {
        child = right
      }
      if (!isBefore(events[child] as Timed, event)) break
      events[at] = events[child] as Timed
      at = child
    }
    events[at] = event
  }
}

function isBefore(a: Timed, b: Timed): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order)
}
