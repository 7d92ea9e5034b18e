/**
 * One damaged file at a time, damaged before the cluster is opened or while it is open: everything
 * is read, written to, closed, opened and read again. What may come of it
 *
 *   right     all is as it was written
 *   told      all is as it was written, and a finding or an event says what was wrong
 *   error     what cannot be had is refused with an error that names a file
 *   wrong     anything else: fewer records, other records, silence, an error that names nothing
 */

import { seededRandom } from '../../src/base/random.js'
import type { Disk } from '../../src/disk/disk.js'
import { isPartlogError } from '../../src/model/errors.js'
import { DAMAGES, type Files } from './damage.js'
import { RottingDisk } from './rotting-disk.js'
import { diskOf, GROUP, NOW, openOn, type Base, type Opened, type Role } from './world.js'

export type OutcomeClass = 'right' | 'told' | 'error' | 'wrong'

/** When a file is damaged. */
export type When = 'closed' | 'open'

export interface Outcome {
  readonly seed: number
  readonly what: string
  readonly place: Place
  readonly outcome: OutcomeClass
  /** What was wrong, or refused. */
  readonly detail: string
}

/** What was damaged, and how: the cells of a table that the cases fill. */
export interface Place {
  readonly fileClass: string
  readonly damage: string
  readonly role: Role
  readonly when: When
}

/** The files of a cluster by what they are for. */
const FILE_CLASSES: readonly (readonly [RegExp, string])[] = [
  [/^controller\//, 'the cluster’s own log'],
  [/\/__consumer_offsets-\d+\//, 'a log of groups'],
  [/\.(deleted|cleaned|swap|kept)$/, 'left over'],
  [/\.sealed$/, 'a sealed copy'],
  [/\.(log|index|timeindex|snapshot)$/, ''],
  [/(checkpoint|metadata|properties|cleanshutdown)$/, ''],
]

function fileClassOf(path: string): string {
  const [, name = 'another'] = FILE_CLASSES.find(([pattern]) => pattern.test(path)) ?? []
  if (name !== '') return name
  const file = path.slice(path.lastIndexOf('/') + 1)
  return file.replace(/^\d+/, '')
}

/** What an observer sees of a cluster; an Error stands for what was refused. */
type View = Readonly<Record<string, string | Error>>

/** How often one polls in vain, a second each, before it is silence. */
const PATIENCE = 60

async function recordsOf({ cluster, passing }: Opened, topic: string): Promise<string[]> {
  const consumer = cluster.consumer({ autoOffsetReset: 'none', defaultApiTimeoutMs: 20_000 })
  const place = { topic, partition: 0 }
  try {
    await passing(consumer.assign([place]))
    const [{ offset: start = 0 } = {}] = await passing(consumer.beginningOffsets([place]))
    const [{ offset: end = 0 } = {}] = await passing(consumer.endOffsets([place]))
    consumer.seek({ ...place, offset: start })
    const lines: string[] = [`from ${start}`]
    let patience = PATIENCE
    while ((await consumer.position(place)) < end) {
      const records = await passing(consumer.poll({ timeoutMs: 1_000 }))
      for (const { offset, key, value, timestamp, leaderEpoch } of records) {
        void leaderEpoch
        const text = (bytes: unknown): string => (bytes === null ? 'null' : String(bytes))
        lines.push(`${offset} ${text(key)} ${text(value)} ${timestamp - NOW}`)
      }
      patience = records.length > 0 ? PATIENCE : patience - 1
      if (patience === 0) throw new Error(`silence at ${await consumer.position(place)} of ${end}`)
    }
    return [...lines, `to ${end}`]
  } finally {
    await passing(consumer.close())
  }
}

/** A table is what its last records say: how much of it was compacted does not matter. */
function tableOf(lines: readonly string[]): string {
  const rows = new Map<string, string>()
  for (const line of lines.slice(1, -1)) {
    const [, key = '', ...value] = line.split(' ')
    rows.set(key, value.join(' '))
  }
  const live = [...rows].filter(([, value]) => !value.startsWith('null'))
  return [...live.map(([key, value]) => `${key} ${value}`).sort(), lines.at(-1)].join('\n')
}

const guarded = async (look: () => Promise<string>): Promise<string | Error> => {
  try {
    return await look()
  } catch (error) {
    return error as Error
  }
}

async function viewOf(opened: Opened): Promise<View> {
  const { cluster, passing } = opened
  const { admin } = cluster
  return {
    topics: await guarded(async () => (await passing(admin.listTopics())).join()),
    config: await guarded(async () => {
      const settings = await passing(admin.describeConfig('orders'))
      return String(settings.find(({ name }) => name === 'retention.ms')?.value)
    }),
    orders: await guarded(async () => (await recordsOf(opened, 'orders')).join('\n')),
    table: await guarded(async () => tableOf(await recordsOf(opened, 'table'))),
    times: await guarded(async () => {
      const found: (number | null | undefined)[] = []
      for (const second of [0, 6, 7, 13, 22, 31, 39, 40]) {
        const time = new Date(NOW - 600_000 + 1_000 * second)
        found.push((await passing(admin.listOffsets('orders', time)))[0]?.offset)
      }
      return found.join()
    }),
    group: await guarded(async () => {
      const offsets = await passing(admin.listGroupOffsets(GROUP))
      return offsets.map(({ topic, offset }) => `${topic} ${offset}`).join()
    }),
  }
}

async function sendOne({ cluster, passing }: Opened): Promise<string | Error> {
  const producer = cluster.producer({ deliveryTimeoutMs: 30_000, requestTimeoutMs: 10_000 })
  const sent = await guarded(async () => {
    const message = { value: 'one more', timestamp: NOW }
    return String((await passing(producer.send({ topic: 'orders', messages: [message] })))[0]?.offset)
  })
  await passing(producer.close())
  return sent
}

/** Names of files that rot may be in: an error that has one tells people where to look. */
const NAMES_A_FILE =
  /(\.(log|index|timeindex|snapshot|sealed)|checkpoint|meta\.properties|partition\.metadata|-\d+)\b/

interface Told {
  readonly findings: number
  readonly errors: readonly string[]
}

interface Life {
  readonly view: View
  readonly sent: string | Error
  readonly told: Told
}

/**
 * Opens, reads, lets retention and compaction look, writes, reads, and closes. `onOpened` is called
 * when the cluster is open for the first time.
 */
async function live(
  disk: Disk,
  brokers: number,
  onOpened: () => void = () => undefined,
): Promise<Life[] | Error> {
  const lives: Life[] = []
  for (let time = 0; time < 2; time++) {
    let opened: Opened
    try {
      opened = await openOn(disk, brokers)
    } catch (error) {
      return error as Error
    }
    const { cluster, clock, passing } = opened
    let events = 0
    for (const name of ['repair', 'truncation'] as const) cluster.on(name, () => events++)
    if (time === 0) onOpened()
    await clock.advance(40_000)
    const view = await viewOf(opened)
    const sent = time === 0 ? await sendOne(opened) : 'nothing'
    const { findings, offline } = cluster.recovery
    const errors = offline.map(({ error }) => error.message)
    lives.push({ view, sent, told: { findings: findings.length + events, errors } })
    await passing(cluster.close()).catch(() => undefined)
  }
  return lives
}

/** What is right, for a base without damage. */
export interface Truth {
  readonly lives: readonly Life[]
}

export async function truthOf(base: Base): Promise<Truth> {
  const lives = await live(diskOf(base.directories, base.files), base.brokers)
  if (lives instanceof Error) throw lives
  for (const { view, sent } of lives) {
    for (const seen of [...Object.values(view), sent]) if (seen instanceof Error) throw seen
  }
  return { lives }
}

/** The damage of a seed: every file and every kind comes in turn, the rest is chance. */
export async function rotten(
  base: Base,
  truth: Truth,
  { seed, when }: { readonly seed: number; readonly when: When },
): Promise<Outcome | undefined> {
  const paths = [...base.files.keys()].sort()
  const path = paths[seed % paths.length] as string
  const kind = DAMAGES[Math.floor(seed / paths.length) % DAMAGES.length]
  if (kind === undefined) return undefined
  const files: Files = new Map(base.files)
  const damaged = { path, files, earlier: base.earlier }
  const done = kind.apply(damaged, seededRandom(seed + 1))
  if (done === undefined) return undefined
  const what = `${base.name}, damaged while ${when}: ${path}: ${kind.name} ${done}`
  const role = base.roles.get(path.split('/').slice(0, 2).join('/')) ?? 'node'
  const place: Place = { fileClass: fileClassOf(path), damage: kind.name, role, when }
  const lives = await (when === 'closed'
    ? live(diskOf(base.directories, files), base.brokers)
    : liveOn(base, files))
  return { seed, what, place, ...judged(lives, truth) }
}

/** The files become others while the cluster is open. */
async function liveOn(base: Base, files: Files): Promise<Life[] | Error> {
  const disk = new RottingDisk(diskOf(base.directories, base.files))
  return await live(disk, base.brokers, () => {
    for (const [path, bytes] of base.files) {
      const now = files.get(path)
      if (now === undefined || !now.equals(bytes)) disk.rot(path, now)
    }
  })
}

function judged(
  lives: Life[] | Error,
  truth: Truth,
): { outcome: OutcomeClass; detail: string } {
  if (lives instanceof Error) return { outcome: kindOf(lives, []), detail: lives.message }
  let outcome: OutcomeClass = 'right'
  const details: string[] = []
  for (const [time, { view, sent, told }] of lives.entries()) {
    const right = truth.lives[time] as Life
    if (told.findings > 0 && outcome === 'right') outcome = 'told'
    // What could not be sent is not there the next time.
    const wasSent = !(lives[0]?.sent instanceof Error)
    const parts = { ...view, sent }
    for (const [part, seen] of Object.entries(parts)) {
      const wanted = part === 'sent' ? right.sent : right.view[part]
      if (seen === wanted) continue
      if (!wasSent && time === 1 && seen === truth.lives[0]?.view[part]) continue
      const kind = seen instanceof Error ? kindOf(seen, told.errors) : 'wrong'
      details.push(`${part} (opening ${time + 1}): ${differenceOf(seen, wanted)}`)
      if (kind === 'wrong') outcome = 'wrong'
      else if (outcome !== 'wrong') outcome = 'error'
    }
  }
  return { outcome, detail: details.join('\n  ') }
}

function differenceOf(seen: string | Error, wanted: string | Error | undefined): string {
  if (seen instanceof Error) return `${seen.name} ${seen.message}`
  const lines = seen.split('\n')
  const right = String(wanted).split('\n')
  const at = lines.findIndex((line, index) => line !== right[index])
  return `${lines.length} lines, not ${right.length}; line ${at}: ${lines[at]}, not ${right[at]}`
}

/** Refused, by an error that names a file, or one that stands for it. */
function kindOf(error: Error, alsoTold: readonly string[]): OutcomeClass {
  if (!isPartlogError(error) || error.code === 'UNKNOWN_SERVER_ERROR') return 'wrong'
  const isNamed = [error.message, ...alsoTold].some(message => NAMES_A_FILE.test(message))
  return isNamed ? 'error' : 'wrong'
}
