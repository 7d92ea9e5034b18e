/**
 * What the children of a scenario were promised, kept outside of them, and compared with what is in
 * the folder. Knows nothing of files: it reads as any consumer does.
 *
 * An id is RUN.N: the run of the child, and the number of the record among those of its topic and
 * key in that run.
 */

import { promised } from './children.mjs'

/** Every fifth record of a key of the table is a tombstone, see writer.mjs. */
const isTombstone = id => Number(id.split('.')[1]) % 5 === 4

function isBefore(a, b) {
  const [[runA, a1], [runB, b1]] = [a.split('.').map(Number), b.split('.').map(Number)]
  return runA < runB || (runA === runB && a1 < b1)
}

const sum = numbers => numbers.reduce((total, each) => total + each, 0)
const takenOf = ({ records, start, end }) => end - start - records.length

export class Books {
  /** What was acknowledged: topic → 'partition offset' → { key, id }. */
  #acked = { log: new Map(), table: new Map(), short: new Map() }
  /** 'topic key id' of sends that were refused: they may be in the log. */
  #refused = new Set()
  /** 'partition offset' → id, as the group has read it. */
  #notes = new Map()
  /** Partition → where the group must go on at least; and the last record it has read. */
  #committed = new Map()
  #noted = new Map()
  #starts = new Map()
  #topics = { made: new Set(), leaving: new Set(), deleted: new Set() }
  #heard = new Map()
  acks = 0
  /** Records that compaction and retention have taken: a scenario without any proves little. */
  taken = { compaction: 0, retention: 0 }
  /** Code → how many sends it refused. */
  refusals = new Map()

  get commits() {
    return sum([...this.#committed.values()])
  }

  /** Enters what a child has said since the last time. */
  hear(child) {
    const from = this.#heard.get(child) ?? 0
    for (const line of child.lines.slice(from)) this.#enter(line)
    this.#heard.set(child, child.lines.length)
  }

  #enter(line) {
    const [what, ...words] = line.split(' ')
    switch (what) {
      case 'a':
        return this.#acknowledged(words)
      case 'f':
        return this.#refusedSend(words)
      case 'n':
        return this.#groupReads(words)
      case 'c':
        return void this.#committed.set(words[0], Number(words[1]))
      case 't+':
        return void this.#topics.made.add(words[0])
      case 't?':
        return void this.#topics.leaving.add(words[0])
      case 't-':
        return void this.#topics.deleted.add(words[0])
      case 'e':
        return promised(/^[A-Z_]+$/.test(words[1]), `an error without a code: ${line}`)
      case 'o':
        return promised(JSON.parse(words.join(' ')).offline.length === 0, `offline: ${line}`)
    }
  }

  #acknowledged([topic, partition, offset, key, id]) {
    const place = `${partition} ${offset}`
    const known = this.#acked[topic].get(place)
    promised(known === undefined, `${topic} ${place} acknowledged twice: ${known?.id} and ${id}`)
    this.#acked[topic].set(place, { key, id })
    this.acks++
  }

  #refusedSend([topic, key, id, code, ...sentence]) {
    promised(code !== 'UNTYPED', `a send was refused without a code: ${sentence.join(' ')}`)
    this.#refused.add(`${topic} ${key} ${id}`)
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
  }

  #groupReads([partition, offset, id]) {
    const [committed, noted] = [this.#committed.get(partition) ?? 0, this.#noted.get(partition) ?? -1]
    const where = `the group reads log-${partition} offset ${offset}`
    promised(offset >= committed, `${where} again, which is below its commit ${committed}`)
    promised(offset <= noted + 1, `${where} after ${noted}: it skips records`)
    const known = this.#notes.get(`${partition} ${offset}`)
    promised(known === undefined || known === id, `${where}: ${id}, and earlier ${known}`)
    this.#notes.set(`${partition} ${offset}`, id)
    this.#noted.set(partition, Math.max(noted, Number(offset)))
  }

  /** Reads the folder that was opened again and compares it with what was promised. */
  async check(cluster) {
    const { offline, unknownFolders } = cluster.recovery
    promised(offline.length === 0, `offline: ${offline.map(each => each.error.message)}`)
    promised(unknownFolders.length === 0, `unknown folders: ${unknownFolders}`)
    for (const topic of Object.keys(this.#acked)) {
      const found = await recordsOf(cluster, topic)
      this.#checkPlaces(topic, found)
      this.#checkKeys(topic, found)
    }
    await this.#checkGroup(cluster)
    await this.#checkCommits(cluster)
    await this.#checkTopics(cluster)
    return this
  }

  /** What was acknowledged is where the acknowledgement said; offsets leave nothing out. */
  #checkPlaces(topic, found) {
    const there = new Map()
    if (topic === 'table') this.taken.compaction = sum(found.map(takenOf))
    if (topic === 'short') this.taken.retention = sum(found.map(({ start }) => start))
    for (const { partition, records, start, end } of found) {
      const where = `${topic}-${partition}`
      for (const record of records) there.set(`${partition} ${record.offset}`, record)
      promised(topic === 'short' || start === 0, `${where} begins at ${start}`)
      const before = this.#starts.get(where) ?? 0
      promised(start >= before, `${where} begins at ${start} again, after ${before}`)
      this.#starts.set(where, start)
      if (topic === 'table') continue
      promised(records.length === end - start, `${where}: ${records.length} of ${start} to ${end}`)
    }
    const edges = new Map(found.map(({ partition, start, end }) => [String(partition), { start, end }]))
    for (const [place, { key, id }] of this.#acked[topic]) {
      const [partition, offset] = place.split(' ')
      const { start, end } = edges.get(partition)
      const record = there.get(place)
      const said = `${topic}-${partition} offset ${offset} (${key}, ${id})`
      promised(offset < end, `${said} was acknowledged and is lost: the log ends at ${end}`)
      if (record === undefined) promised(topic === 'table' || offset < start, `${said} is lost`)
      else promised(record.key === key && record.id === id, `${said} holds ${record.key}, ${record.id}`)
    }
    if (topic !== 'log') return
    for (const [place, id] of this.#notes) {
      promised(there.get(place)?.id === id, `the group has read ${id} at ${place}; it is not there`)
    }
  }

  /** Of each key: in order, once, and without holes. */
  #checkKeys(topic, found) {
    const newest = new Map()
    const counts = new Map()
    for (const { records } of found) {
      for (const { key, id } of records) {
        const before = newest.get(key)
        const isLater = before === undefined || isBefore(before, id)
        promised(isLater, `${topic} ${key}: ${id} after ${before}, doubled or out of order`)
        newest.set(key, id)
        if (topic === 'log') this.#checkHoles(counts, key, id)
      }
    }
    if (topic === 'short') return
    for (const { key, id } of this.#acked[topic].values()) {
      const last = newest.get(key)
      if (last === undefined) promised(this.#endsForgotten(key), `${topic} ${key}: nothing of ${id}`)
      else promised(!isBefore(last, id), `${topic} ${key}: ${id} was acknowledged, the last is ${last}`)
    }
  }

  /** A key without any record: its last acknowledged record has to be a tombstone. */
  #endsForgotten(key) {
    let last
    for (const each of this.#acked.table.values()) {
      if (each.key === key && (last === undefined || isBefore(last, each.id))) last = each.id
    }
    return isTombstone(last)
  }

  #checkHoles(counts, key, id) {
    const [run, number] = id.split('.')
    let expected = counts.get(`${run} ${key}`) ?? 0
    while (this.#refused.has(`log ${key} ${run}.${expected}`) && expected < number) expected++
    promised(Number(number) === expected, `log ${key}: ${id} without ${run}.${expected} before it`)
    counts.set(`${run} ${key}`, expected + 1)
  }

  async #checkGroup(cluster) {
    for (const { topic, partition, offset } of await cluster.admin.listGroupOffsets('g')) {
      if (topic !== 'log') continue
      const key = String(partition)
      const [acked, noted] = [this.#committed.get(key) ?? 0, this.#noted.get(key) ?? -1]
      promised(offset >= acked, `log-${key}: committed ${offset}, acknowledged was ${acked}`)
      promised(offset <= noted + 1, `log-${key}: committed ${offset}, read was only ${noted}`)
      this.#committed.set(key, offset)
    }
  }

  /** Commits as the group's own log has them, all of them: none goes back behind another. */
  async #checkCommits(cluster) {
    const last = new Map()
    for (const { partition, offset } of await commitsOf(cluster, 'g')) {
      const before = last.get(partition) ?? 0
      promised(offset >= before, `the group's commit for log-${partition} went back: ${before}, ${offset}`)
      last.set(partition, offset)
    }
  }

  async #checkTopics(cluster) {
    const there = new Set(await cluster.admin.listTopics())
    const { made, leaving, deleted } = this.#topics
    for (const topic of made) {
      if (deleted.has(topic)) promised(!there.has(topic), `${topic} was deleted and is there`)
      else if (!leaving.has(topic)) promised(there.has(topic), `${topic} was made and is gone`)
    }
  }
}

/** Every commit of a group for the log, in order, from the records of __consumer_offsets. */
export async function commitsOf(cluster, group) {
  const found = await recordsOf(cluster, '__consumer_offsets')
  return found.flatMap(({ records }) => records.flatMap(record => commitIn(record, group)))
}

/** A key is: version, group, topic, partition; a value: version, offset, … (big-endian). */
function commitIn({ keyBytes: key, value }, group) {
  if (value === null || key.readInt16BE(0) > 1) return []
  const [name, afterName] = textAt(key, 2)
  const [topic, afterTopic] = textAt(key, afterName)
  if (name !== group || topic !== 'log') return []
  return [{ partition: key.readInt32BE(afterTopic), offset: Number(value.readBigInt64BE(2)) }]
}

function textAt(bytes, at) {
  const end = at + 2 + bytes.readInt16BE(at)
  return [bytes.toString('utf8', at + 2, end), end]
}

/** Everything that a consumer gets of a topic, by partition, with the ends of the log. */
async function recordsOf(cluster, topic) {
  const starts = await cluster.admin.listOffsets({ topic, at: 'earliest' })
  const ends = await cluster.admin.listOffsets({ topic, at: 'latest' })
  const consumer = cluster.consumer({ maxPollRecords: 10_000 })
  const found = []
  for (const { partition, offset: end } of ends) {
    const { offset: start } = starts.find(each => each.partition === partition)
    await consumer.assign([{ topic, partition }])
    consumer.seek({ topic, partition, offset: start })
    const records = []
    const deadline = performance.now() + 30_000
    while ((await consumer.position({ topic, partition })) < end) {
      for (const { key, value, offset, headers } of await consumer.poll({ timeoutMs: 1_000 })) {
        records.push({ keyBytes: key, key: String(key), value, offset, id: String(headers[0]?.value) })
      }
      promised(performance.now() < deadline, `${topic}-${partition} cannot be read up to ${end}`)
    }
    found.push({ partition, records, start, end })
  }
  await consumer.close()
  return found
}
