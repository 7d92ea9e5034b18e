/**
 * What must be true of a history. Each checker takes plain data and returns sentences about what is
 * wrong. Because a log shows its order itself, all of them take linear time.
 */

import type { Commit, FinalLog, History, Kept, Loss, Reading, Sent, TopicFacts } from './history.js'
import { unexplained } from './linearizable.js'
import { topicModel } from './topic-model.js'

export interface Checked {
  readonly history: History
  readonly logs: readonly FinalLog[]
  readonly topics: readonly TopicFacts[]
  /** Calls may have been made twice, because an answer was lost. */
  readonly mayRepeat: boolean
}

type Checker = (run: Run) => string[]

/** A history with what the checkers look up again and again. */
class Run {
  readonly history: History
  readonly logs: readonly FinalLog[]
  readonly mayRepeat: boolean
  readonly #facts: ReadonlyMap<string, TopicFacts>
  readonly #logs: ReadonlyMap<string, FinalLog>
  readonly #records = new Map<string, Map<number, Kept>>()

  constructor({ history, logs, topics, mayRepeat }: Checked) {
    this.history = history
    this.mayRepeat = mayRepeat
    this.logs = logs
    this.#facts = new Map(topics.map(facts => [facts.topic, facts]))
    this.#logs = new Map(logs.map(log => [nameOf(log), log]))
    for (const log of logs) {
      this.#records.set(nameOf(log), new Map(log.records.map(each => [each.offset, each])))
    }
  }

  facts(topic: string): TopicFacts {
    const facts = this.#facts.get(topic)
    if (facts === undefined) throw new Error(`nothing is known of topic ${topic}`)
    return facts
  }

  /** True if it was sent when the topic was the one that is there at the end. */
  isOfLastTopic({ topic, begun }: Sent): boolean {
    if (!this.facts(topic).isRemade) return true
    return this.history.changes.every(change => {
      const isDeletion = change.topic === topic && change.act === 'delete'
      return !isDeletion || change.answer === 'UNKNOWN_TOPIC_OR_PARTITION' || change.to < begun
    })
  }

  /** Readings of topics that were not made again: in those offsets begin anew. */
  get steadyReadings(): Reading[] {
    return this.history.readings.filter(({ topic }) => !this.facts(topic).isRemade)
  }

  get steadyCommits(): Commit[] {
    return this.history.commits.filter(({ topic }) => !this.facts(topic).isRemade)
  }

  log(of: { readonly topic: string; readonly partition: number }): FinalLog | undefined {
    return this.#logs.get(nameOf(of))
  }

  at(of: { readonly topic: string; readonly partition: number }, offset: number): Kept | undefined {
    return this.#records.get(nameOf(of))?.get(offset)
  }

  /** True if the cluster said that records from this offset on were lost, after the time. */
  isLossTold(of: { topic: string; partition: number }, offset: number, sinceMs: number): boolean {
    const covers = (loss: Loss): boolean =>
      nameOf(loss) === nameOf(of) && loss.fromOffset <= offset && loss.atMs >= sinceMs
    return this.history.losses.some(covers)
  }

  /** True if the power was cut after that time and not all that was acknowledged has survived. */
  isLostWithPower(sinceMs: number): boolean {
    return this.history.powerCuts.some(
      ({ atMs, survives }) => survives === 'nothing' && atMs >= sinceMs,
    )
  }

  /** True if the record may have been deleted, or replaced by a newer one of its key. */
  mayBeGone(of: { topic: string; partition: number }, offset: number, key: string | null): boolean {
    const { isCompacted, isTrimmed } = this.facts(of.topic)
    const log = this.log(of)
    if (log === undefined) return true
    if (isTrimmed && offset < log.startOffset) return true
    return isCompacted && this.#isReplaced(log, offset, key)
  }

  #isReplaced(log: FinalLog, offset: number, key: string | null): boolean {
    if (key === null) return true // compaction drops what has no key
    return log.records.some(each => each.offset > offset && each.key === key)
  }
}

const nameOf = ({ topic, partition }: { topic: string; partition: number }): string =>
  `${topic}-${partition}`

const placeOf = ({ topic, partition, offset }: Sent): string =>
  `${topic}-${partition} at ${offset}`

// ── what was sent ────────────────────────────────────────────────────────────────────────

/** An acknowledged record is where its acknowledgement says. */
const nothingIsLost: Checker = run =>
  run.history.sent.flatMap(sent => {
    if (sent.outcome !== 'ok' || sent.offset < 0 || !run.isOfLastTopic(sent)) return []
    const found = run.at(sent, sent.offset)
    if (found?.value === sent.value) return []
    const isSafe = sent.acks === -1
    if (!isSafe && found === undefined) return []
    if (!isSafe) return [] // another record may have taken its place
    if (run.isLossTold(sent, sent.offset, 0) && run.facts(sent.topic).allowsUnclean) return []
    if (run.isLostWithPower(sent.ackedAtMs)) return []
    if (found === undefined && run.mayBeGone(sent, sent.offset, sent.key)) return []
    const there = found === undefined ? 'nothing' : `${found.value}`
    return [`${sent.value} was acknowledged in ${placeOf(sent)}; there is ${there}`]
  })


/** A record is in the logs at most once; a record that was refused is not there. */
const nothingIsDoubled: Checker = run => {
  const places = new Map<string, string[]>()
  for (const log of run.logs) {
    for (const { offset, value } of log.records) {
      if (value === null) continue
      places.set(value, [...(places.get(value) ?? []), `${nameOf(log)} at ${offset}`])
    }
  }
  return run.history.sent.flatMap(({ value, isIdempotent, outcome, error }) => {
    const found = places.get(value) ?? []
    if (found.length > 1 && (isIdempotent || !run.mayRepeat)) return [`${value} is ${found.join(' and ')}`]
    if (found.length > 0 && outcome === 'fail') {
      return [`${value} was refused (${error}), and is ${found.join(' and ')}`]
    }
    return []
  })
}

/** Nothing is in the logs that was not sent, and offsets ascend. */
const nothingIsInvented: Checker = run => {
  const known = new Set(run.history.sent.map(({ value }) => value))
  return run.logs.flatMap(log => {
    let before = -1
    return log.records.flatMap(({ offset, value }) => {
      const wrong: string[] = []
      if (offset <= before) wrong.push(`${nameOf(log)}: ${offset} comes after ${before}`)
      before = offset
      if (value !== null && !known.has(value)) {
        wrong.push(`${nameOf(log)} at ${offset}: ${value} was never sent`)
      }
      return wrong
    })
  })
}

/** A log without compaction has no holes. */
const nothingIsSkippedInLogs: Checker = run =>
  run.logs.flatMap(log => {
    if (run.facts(log.topic).isCompacted) return []
    const wanted = log.endOffset - log.startOffset
    if (log.records.length === wanted) return []
    return [
      `${nameOf(log)} has ${log.records.length} records in ` +
        `[${log.startOffset}, ${log.endOffset})`,
    ]
  })

/** What an idempotent producer sent to a partition lies there in the order of its sends. */
const ordersAreKept: Checker = run => {
  const last = new Map<string, Sent>()
  return run.history.sent.flatMap(sent => {
    if (sent.outcome !== 'ok' || sent.offset < 0 || !sent.isIdempotent) return []
    if (!run.isOfLastTopic(sent)) return []
    const lane = `${sent.sender} ${nameOf(sent)}`
    const before = last.get(lane)
    last.set(lane, sent)
    if (before === undefined || before.offset < sent.offset) return []
    if (run.isLossTold(sent, sent.offset, 0)) return []
    return [`${sent.value} is in ${placeOf(sent)}, before ${before.value} at ${before.offset}`]
  })
}

// ── what was read ────────────────────────────────────────────────────────────────────────

/** All consumers see the same record at an offset. */
const readsRepeat: Checker = run => {
  const seen = new Map<string, string | null>()
  return run.steadyReadings.flatMap(reading =>
    reading.reads.flatMap(({ offset, value, atMs }) => {
      if (run.isLossTold(reading, offset, 0)) return []
      if (run.isLostWithPower(atMs)) return []
      const place = `${nameOf(reading)} at ${offset}`
      const kept = run.at(reading, offset)
      const first = seen.get(place)
      if (first === undefined) seen.set(place, value)
      else if (first !== value) return [`${place}: ${first} was read, then ${value}`]
      if (kept === undefined) {
        if (run.log(reading) === undefined || isUnder(run, reading, offset)) return []
        return [`${place}: ${value} was read; nothing is there at the end`]
      }
      return kept.value === value ? [] : [`${place}: ${value} was read, there is ${kept.value}`]
    }),
  )
}

/** Compaction and deletion may have removed what was read. */
function isUnder(run: Run, reading: Reading, offset: number): boolean {
  const { isCompacted, isTrimmed } = run.facts(reading.topic)
  return isCompacted || (isTrimmed && offset < (run.log(reading)?.startOffset ?? 0))
}

/** Offsets ascend while a member has a partition, and no record between two is left out. */
const readingsAreWhole: Checker = run =>
  run.steadyReadings.flatMap(reading => {
    const records = run.log(reading)?.records ?? []
    let before = -1
    return reading.reads.flatMap(({ offset, atMs }) => {
      const wrong: string[] = []
      if (run.isLossTold(reading, offset, reading.beganAtMs)) {
        before = offset
        return wrong
      }
      if (offset <= before) {
        wrong.push(`${whoOf(reading)} read ${offset} after ${before}`)
      } else if (before >= 0) {
        const skipped = records.find(each => each.offset > before && each.offset < offset)
        if (skipped !== undefined) {
          const when = `${before} (${atMs} ms)`
          wrong.push(`${whoOf(reading)} read ${offset} after ${when}, not ${skipped.offset}`)
        }
      }
      before = offset
      return wrong
    })
  })

/** The new owner of a partition continues where the group has committed, not before. */
const readingsGoOn: Checker = run =>
  run.steadyReadings.flatMap(reading => {
    const [first] = reading.reads
    if (first === undefined || first.offset >= reading.committedBefore) return []
    if (run.isLossTold(reading, first.offset, 0) || run.isLostWithPower(0)) return []
    return [
      `${whoOf(reading)} began at ${first.offset}, although ${reading.committedBefore} was committed`,
    ]
  })

const whoOf = ({ member, group, generation, topic, partition }: Reading): string =>
  `${member} (${group}, generation ${generation}) of ${topic}-${partition}`

/** In one generation a partition has one owner. */
const ownersAreAlone: Checker = run => {
  const owners = new Map<string, string>()
  if (run.isLostWithPower(0)) return []
  return run.history.readings.flatMap(reading => {
    const key = `${reading.group} ${reading.generation} ${nameOf(reading)}`
    const owner = owners.get(key)
    if (owner === undefined) owners.set(key, reading.owner)
    if (owner === undefined || owner === reading.owner) return []
    return [`${whoOf(reading)}: ${owner} has it too`]
  })
}

/** Nothing is committed that no member of the group has processed. */
const commitsAreEarned: Checker = run => {
  const processed = processedBy(run)
  return run.steadyCommits.flatMap(({ group, topic, partition, offset, how, atMs }) => {
    const log = run.log({ topic, partition })
    if (log === undefined || run.isLossTold({ topic, partition }, 0, 0)) return []
    const done = processed.get(`${group} ${topic}-${partition}`) ?? new Map<number, number>()
    const missing = log.records.find(
      each => each.offset < offset && !((done.get(each.offset) ?? Infinity) <= atMs),
    )
    if (missing === undefined) return []
    return [
      `${group} has ${how} ${offset} of ${topic}-${partition} at ${atMs} ms, ` +
        `but ${missing.offset} was not processed by then`,
    ]
  })
}

/** By group and partition: when each offset was processed for the first time. */
function processedBy(run: Run): Map<string, Map<number, number>> {
  const processed = new Map<string, Map<number, number>>()
  for (const reading of run.history.readings) {
    const key = `${reading.group} ${nameOf(reading)}`
    const done = processed.get(key) ?? new Map<number, number>()
    processed.set(key, done)
    for (const { offset, processedAtMs } of reading.reads) {
      if (processedAtMs === Infinity) continue
      done.set(offset, Math.min(processedAtMs, done.get(offset) ?? Infinity))
    }
  }
  return processed
}

/** Looked up again and again, a committed offset never goes back. */
const commitsStay: Checker = run => {
  const last = new Map<string, number>()
  return run.steadyCommits.flatMap(({ group, topic, partition, offset, how, atMs }) => {
    if (how !== 'seen') return []
    const key = `${group} ${topic}-${partition}`
    const before = last.get(key) ?? -1
    last.set(key, offset)
    if (offset >= before || run.isLossTold({ topic, partition }, offset, 0)) return []
    if (run.isLostWithPower(0)) return []
    return [`${group}: ${topic}-${partition} went back from ${before} to ${offset} at ${atMs} ms`]
  })
}

/** When all is at rest each group has processed every record. */
const everythingIsProcessed: Checker = run => {
  const processed = processedBy(run)
  const groups = new Set(run.history.readings.map(({ group }) => group))
  return [...groups].flatMap(group =>
    run.logs.flatMap(log => {
      if (run.isLossTold(log, 0, 0)) return []
      const done = processed.get(`${group} ${nameOf(log)}`)
      const missing = log.records.filter(({ offset }) => done?.has(offset) !== true)
      if (missing.length === 0) return []
      const first = missing[0] as Kept
      return [`${group} has never processed ${first.offset} of ${nameOf(log)} (${first.value})`]
    }),
  )
}

// ── what was administered ────────────────────────────────────────────────────────────────

/** Calls about topics could have been made one after the other. */
const topicsAreLinear: Checker = run => {
  if (run.isLostWithPower(0)) return []
  const topics = new Set(run.history.changes.map(({ topic }) => topic))
  return [...topics].flatMap(topic => {
    const own = run.history.changes.filter(change => change.topic === topic)
    const left = unexplained(own, topicModel(run.mayRepeat))
    if (left.length === 0) return []
    const told = left.map(({ act, from, to, answer }) => `${act} ${from}–${to}: ${answer}`)
    return [`no order of the calls about ${topic} explains ${told.join('; ')}`]
  })
}

/** Records are deleted when a call asks for it, up to its offset, and then for good. */
const deletionsAreAsked: Checker = run =>
  run.logs.flatMap(log => {
    const { isRemade, isRetained, allowsUnclean } = run.facts(log.topic)
    if (isRemade || allowsUnclean || run.isLostWithPower(0) || run.isLossTold(log, 0, 0)) return []
    const asked = run.history.deletions.filter(each => nameOf(each) === nameOf(log))
    const most = Math.max(0, ...asked.map(({ offset }) => offset))
    const kept = asked.filter(({ start }) => start >= 0)
    const least = Math.max(0, ...kept.map(({ start }) => start))
    const wrong: string[] = []
    if (isRetained && log.startOffset > most) {
      wrong.push(`${nameOf(log)} begins at ${log.startOffset}, the deletions went up to ${most}`)
    }
    if (log.startOffset < least) {
      wrong.push(`${nameOf(log)} begins at ${log.startOffset}, ${least} was acknowledged`)
    }
    const early = kept.find(({ offset, start }) => start < offset)
    if (early !== undefined) {
      wrong.push(`${nameOf(log)} begins at ${early.start}, ${early.offset} was asked for`)
    }
    return wrong
  })

/** A call of send ends in the time it has. */
const sendsEnd: Checker = run =>
  run.history.sent.flatMap(({ value, sender, beganAtMs, settledAtMs, limitMs }) => {
    const tookMs = settledAtMs - beganAtMs
    if (settledAtMs < 0 || tookMs <= limitMs + SEND_LATE_MS) return []
    if (run.history.disturbed.has(sender.split('.')[0] ?? '')) return []
    return [`${value} took ${tookMs} ms, it had ${limitMs} ms`]
  })

/** Where nothing goes wrong, nothing is refused but records without a key by compacted topics. */
const sendsSucceed: Checker = run => {
  const { sent, changes } = run.history
  if (run.mayRepeat || changes.some(({ act }) => act === 'delete' || act === 'set')) return []
  return sent.flatMap(({ value, topic, key, outcome, error }) => {
    if (outcome === 'ok' || (key === null && run.facts(topic).isCompacted)) return []
    return [`${value} was not written to ${topic} (${error}), although nothing was wrong`]
  })
}

/** Timers of the world may be late. */
const SEND_LATE_MS = 100

export const CHECKERS = {
  nothingIsLost,
  nothingIsDoubled,
  nothingIsInvented,
  nothingIsSkippedInLogs,
  ordersAreKept,
  readsRepeat,
  readingsAreWhole,
  readingsGoOn,
  ownersAreAlone,
  commitsAreEarned,
  commitsStay,
  everythingIsProcessed,
  topicsAreLinear,
  deletionsAreAsked,
  sendsEnd,
  sendsSucceed,
} satisfies Readonly<Record<string, Checker>>

/** Everything that is wrong, by checker. */
export function checkHistory(checked: Checked): string[] {
  const run = new Run(checked)
  return Object.entries(CHECKERS).flatMap(([name, check]) =>
    check(run).map(sentence => `${name}: ${sentence}`),
  )
}
