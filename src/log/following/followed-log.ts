/*
 * A log of a folder that another process owns. It is opened as after a crash, on a disk that keeps
 * every change in memory, and then follows its files:
 *
 *   records      are read from the file, checked and indexed, up to the bound that the owner gives:
 *                its high watermark. Beyond it nothing is shown.
 *   a segment    begins where the active one ends, when the folder has a file of that name
 *   layout       the owner has deleted or compacted closed segments: the ones whose file is another
 *                now are opened anew. The records below the bound stay what they were.
 *
 * Whatever does not fit (a file that is gone before it was read to its end, a log that was cut)
 * makes the log outdated: it has to be opened again.
 *
 * A file that was opened stays readable when the owner removes or replaces it. If its descriptor
 * was given to another file meanwhile, opening it fails (ESTALE, ENOENT) rather than another's
 * bytes being read.
 */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { isDiskError, join, type Disk, type DiskFile } from '../../disk/disk.js'
import { OverlayDisk } from '../../disk/overlay-disk.js'
import { frameAt } from '../../model/batch/batch.js'
import { isPartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { Offset } from '../../model/units.js'
import { parseSegmentFile, SEGMENT_FILE_KINDS, segmentFile, SWAP_SUFFIX } from '../format/files.js'
import type { IndexCache } from '../format/index-file.js'
import type { LogConfig, LogSettings } from '../format/log-config.js'
import { DamagedBytesError } from '../format/log-errors.js'
import { readTopicId } from '../format/partition-metadata.js'
import { createLog, openLog, type OpenLogOptions } from '../recovery/open-log.js'
import type { RecoveryFinding } from '../recovery/recovery.js'
import type { LogContext } from '../store/log-state.js'
import type { Log } from '../store/log.js'
import { wholeBatches } from '../store/read-parts.js'
import { segmentOptions } from '../store/segment-list.js'
import { Segment } from '../store/segment.js'

/** Read at a time, at once: from the page cache, where the owner has just written. */
const WINDOW_BYTES = 256 * 1024
/** Used by one call at a time: nothing waits while it is in use. */
const window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
/** The owner is in the middle of a swap: it takes two syncs of a folder. */
const SWAP_PAUSE_MS = 5
const SWAP_LOOKS = 400

export interface FollowedPlace {
  /** The folder of the cluster, opened for reading. */
  readonly disk: Disk
  readonly folder: string
  readonly topicPartition: TopicPartition
  readonly topicId: string
  readonly settings: LogSettings
  readonly cache: IndexCache
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** How far the owner says that its log goes. */
export interface FollowedEnd {
  /** Everything below is committed, and was written before this was said. */
  readonly bound: Offset
  readonly logStartOffset: Offset
  /** Another number: segments were deleted or replaced. */
  readonly layout: number
}

/** The log does not fit its files any more: it has to be opened again. */
export class OutdatedError extends Error {}

export class FollowedLog {
  readonly log: Log
  readonly findings: readonly RecoveryFinding[]
  readonly #place: FollowedPlace
  readonly #overlay: OverlayDisk
  readonly #settings: LogSettings
  /** Which file each segment was opened as, by base offset. */
  readonly #identities: Map<Offset, string>
  /** The folder was there when the log was opened. */
  readonly #isMade: boolean
  #layout: number
  /** The active segment's file, to read on. */
  #tail: DiskFile | undefined

  private constructor(
    place: FollowedPlace,
    opened: Opened,
    layout: number,
  ) {
    this.#place = place
    this.log = opened.log
    this.findings = opened.findings
    this.#overlay = opened.overlay
    this.#settings = opened.settings
    this.#isMade = opened.isMade
    this.#identities = opened.identities
    this.#layout = layout
  }

  /** Opens the log, as far as `end` says. Throws as `openLog` does, and OutdatedError. */
  static async open(
    place: FollowedPlace,
    options: OpenLogOptions,
    end: FollowedEnd,
  ): Promise<FollowedLog> {
    const opened = await openShown(place, options)
    const { log } = opened
    try {
      await cutTo(opened, end.bound)
      moveStart(log, end.logStartOffset)
      return new FollowedLog(place, opened, end.layout)
    } catch (error) {
      await log.abandon()
      throw error
    }
  }

  /** Takes in what the owner has done up to `end`. Throws OutdatedError. */
  async follow(end: FollowedEnd): Promise<void> {
    const { log } = this
    if (!this.#isMade) {
      if (end.bound > 0 || end.layout !== this.#layout) throw new OutdatedError('it is made now')
      return
    }
    if (end.layout !== this.#layout) await this.#relist(end)
    await this.#readOn(end.bound)
    if (end.logStartOffset > log.logEndOffset) throw new OutdatedError('all was deleted')
    moveStart(log, end.logStartOffset)
    this.#layout = end.layout
  }

  async close(): Promise<void> {
    this.#tail?.close()
    this.#tail = undefined
    await this.log.abandon()
  }

  // ── records ────────────────────────────────────────────────────────────────────────────

  async #readOn(bound: Offset): Promise<void> {
    const { log } = this
    let mayBegin = true
    while (log.logEndOffset < bound) {
      const bytes = this.#tailBytes()
      const whole = wholeBatches(bytes, bound).bytes
      if (whole > 0) this.#take(bytes.subarray(0, whole))
      else if (mayBegin && this.#begins()) mayBegin = false // it has a record: not again at once
      else if (!(await this.#takeLarge(bytes))) throw new OutdatedError('records are missing')
      if (whole === 0) continue
      mayBegin = true
      if (log.logEndOffset < bound) await this.#place.clock.turn()
    }
  }

  /** The first bytes of the active segment's file that were not read yet. */
  #tailBytes(): Buffer {
    const { active } = this.log.state.segments
    this.#tail ??= this.#place.disk.open(active.file.path)
    this.#tail.look?.()
    return window.subarray(0, this.#tail.readNow(active.size, window))
  }

  /** Takes a batch that is larger than the window; false if there is none. */
  async #takeLarge(first: Buffer): Promise<boolean> {
    const size = frameAt(first, 0, first.length)
    if (size <= first.length) return false
    const { active } = this.log.state.segments
    const bytes = await (this.#tail as DiskFile).read(active.size, size)
    if (bytes.length === size) this.#take(bytes)
    return bytes.length === size
  }

  #take(bytes: Buffer): void {
    const { log } = this
    const { state } = log
    const { active } = state.segments
    try {
      log.appendAsFollower(bytes)
    } catch (error) {
      if (!isPartlogError(error, 'CORRUPT_MESSAGE')) throw new OutdatedError(String(error))
      throw new DamagedBytesError(active.file.path, active.size, error.sentence)
    }
    // What the owner calls committed needs no sync of this process.
    state.becameDurable(log.logEndOffset, log.appendedBytes)
  }

  /** The next segment, if the folder has one where the log ends. */
  #begins(): boolean {
    const { log } = this
    const { active } = log.state.segments
    const bases = this.#listed().bases.filter(base => base > active.baseOffset)
    const next = bases[0]
    if (next === undefined) return false
    const mayFollow = next === log.logEndOffset || this.#settings.current.mayHaveGaps
    if (!mayFollow || next < log.logEndOffset) throw new OutdatedError('a segment is missing')
    this.#identities.set(next, this.#identityOf(next) ?? '')
    this.#tail?.close()
    this.#tail = undefined
    this.#overlay.beginEmpty(this.#path(next, 'log'))
    log.state.roll(next)
    return true
  }

  // ── layout ─────────────────────────────────────────────────────────────────────────────

  /** Opens the closed segments anew whose files are others now, and drops those that are gone. */
  async #relist(end: FollowedEnd): Promise<void> {
    const { segments } = this.log.state
    const { active } = segments
    const { bases, names } = await this.#settled()
    if (!bases.includes(active.baseOffset)) throw new OutdatedError('the last segment is gone')
    const known = new Map(segments.all.map(segment => [segment.baseOffset, segment]))
    const list: Segment[] = []
    for (const base of bases.filter(each => each < active.baseOffset)) {
      const identity = this.#identityOf(base)
      if (identity === undefined) throw new OutdatedError('a segment went while it was looked at')
      const segment = known.get(base)
      const isSame = segment !== undefined && this.#identities.get(base) === identity
      list.push(isSame ? segment : await this.#opened(base, names))
      this.#identities.set(base, identity)
    }
    const first = list[0] ?? active
    if (first.baseOffset > this.log.logEndOffset) throw new OutdatedError('all was deleted')
    moveStart(this.log, Math.max(first.baseOffset, end.logStartOffset))
    segments.relist([...list, active])
    this.log.state.reader.forgetPositions()
  }

  async #opened(base: Offset, names: ReadonlySet<string>): Promise<Segment> {
    for (const kind of SEGMENT_FILE_KINDS) this.#overlay.forget(this.#path(base, kind))
    const { context } = this.log.state
    const segment = Segment.open({ ...segmentOptions(context, base), names })
    if (names.has(segmentFile(base, 'txnindex'))) await segment.aborted.load()
    return segment
  }

  /** The folder when no swap is under way. */
  async #settled(): Promise<Listed> {
    for (let looks = 0; looks < SWAP_LOOKS; looks++) {
      const listed = this.#listed()
      if (![...listed.names].some(name => name.endsWith(SWAP_SUFFIX))) return listed
      await pause(this.#place.clock, SWAP_PAUSE_MS)
    }
    throw new OutdatedError('a swap does not end')
  }

  #listed(): Listed {
    return listed(this.#place)
  }

  #identityOf(base: Offset): string | undefined {
    return identityOf(this.#place, base)
  }

  #path(base: Offset, kind: (typeof SEGMENT_FILE_KINDS)[number]): string {
    return join(this.#place.folder, segmentFile(base, kind))
  }
}

interface Listed {
  readonly names: ReadonlySet<string>
  /** Base offsets of the segments, ascending. */
  readonly bases: readonly Offset[]
}

function listed({ disk, folder }: Pick<FollowedPlace, 'disk' | 'folder'>): Listed {
  const names = new Set(disk.list(folder).map(({ name }) => name))
  const bases = [...names]
    .map(parseSegmentFile)
    .flatMap(parsed => (parsed?.kind === 'log' ? [parsed.baseOffset] : []))
  return { names, bases: bases.sort((a, b) => a - b) }
}

function identityOf({ disk, folder }: FollowedPlace, base: Offset): string | undefined {
  return disk.identityOf?.(join(folder, segmentFile(base, 'log')))
}

interface Opened {
  readonly identities: Map<Offset, string>
  readonly log: Log
  readonly findings: readonly RecoveryFinding[]
  readonly overlay: OverlayDisk
  readonly settings: LogSettings
  readonly isMade: boolean
}

/** The owner may not have made the folder yet, or not yet for this topic: then the log is empty. */
async function openShown(place: FollowedPlace, options: OpenLogOptions): Promise<Opened> {
  const { disk, folder, topicId, settings: given } = place
  const overlay = new OverlayDisk(disk, { isFollowing: true })
  const settings = neverRolling(given)
  const saveCheckpoints = async (): Promise<void> => undefined
  const context: LogContext = { ...place, disk: overlay, settings, saveCheckpoints }
  const isMade = disk.exists(folder) && (await readTopicId(disk, folder)) === topicId
  if (!isMade) {
    if (disk.exists(folder)) await overlay.remove(folder)
    const log = createLog(context, topicId)
    return { log, findings: [], overlay, settings, isMade, identities: new Map() }
  }
  // Before they are opened: what is replaced meanwhile has another identity later.
  const identities = new Map<Offset, string>()
  for (const base of listed(place).bases) identities.set(base, identityOf(place, base) ?? '')
  return { ...(await openLog(context, options)), overlay, settings, isMade, identities }
}

/** The owner decides where segments begin. */
function neverRolling(given: LogSettings): LogSettings {
  const never = { segmentBytes: 2 ** 31 - 1, segmentMs: Infinity, segmentJitterMs: 0 }
  let from: LogConfig | undefined
  let made: LogConfig | undefined
  return {
    get current(): LogConfig {
      if (from === given.current && made !== undefined) return made
      from = given.current
      made = { ...from, ...never, segmentIndexBytes: 2 ** 31 - 8 }
      return made
    },
  }
}

/** Cuts what is beyond the bound, in memory only. */
async function cutTo({ log, overlay }: Opened, bound: Offset): Promise<void> {
  if (log.logEndOffset <= bound) return
  for (const path of await log.truncateTo(Math.max(bound, log.firstSegmentOffset))) {
    await overlay.remove(path)
  }
}

function moveStart(log: Log, logStartOffset: Offset): void {
  const start = Math.min(logStartOffset, log.logEndOffset)
  if (start > log.logStartOffset) log.deleteRecordsBefore(start)
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise(resolve => void clock.after(ms, resolve))
}

/** Whether opening the log again may help. */
export function isOutdated(error: unknown): boolean {
  return error instanceof OutdatedError || isDiskError(error)
}
