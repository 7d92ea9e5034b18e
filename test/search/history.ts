/**
 * What the programs of a run saw, in plain data: what they sent and what came of it, what they read,
 * what they committed. The checkers know nothing else of the run, and nothing of partlog.
 */

/** `ok`: acknowledged; `fail`: certainly not written; `unknown`: written or not. */
export type Outcome = 'ok' | 'fail' | 'unknown'

export interface Sent {
  /** The producer in one of its lives: its sends have an order. */
  readonly sender: string
  readonly topic: string
  readonly key: string | null
  /** Unlike all others of the run. */
  readonly value: string
  readonly acks: number
  readonly isIdempotent: boolean
  /** In the order of all that happens in the run. */
  readonly begun: number
  readonly beganAtMs: number
  /** It may take so long. */
  readonly limitMs: number
  settledAtMs: number
  outcome: Outcome
  error: string
  partition: number
  offset: number
  /** The world's time of the acknowledgement. */
  ackedAtMs: number
}

export interface Read {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly value: string | null
  readonly atMs: number
  /** When its handler had ended; Infinity: never. */
  processedAtMs: number
}

/** What one member read of one partition between getting it and giving it up. */
export interface Reading {
  readonly group: string
  readonly member: string
  /** The member, or the name under which it comes again (group.instance.id). */
  readonly owner: string
  readonly topic: string
  readonly partition: number
  readonly generation: number
  readonly beganAtMs: number
  /** Committed offsets that a program had seen before; −1: none. */
  readonly committedBefore: number
  readonly reads: Read[]
  endedAtMs: number
}

/** A committed offset that was acknowledged, or that was looked up. */
export interface Commit {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly atMs: number
  readonly how: 'committed' | 'seen'
}

/** What a program asked of a topic. */
export type Asked =
  | { readonly act: 'make'; readonly partitions: number; readonly settings: Settings }
  | { readonly act: 'grow'; readonly partitions: number }
  | { readonly act: 'set'; readonly settings: Settings }
  | { readonly act: 'delete' | 'count' | 'look' }

type Settings = Readonly<Record<string, string | null>>

/** A call of an administrator. */
export type Change = Asked & {
  readonly topic: string
  /** When it began and ended, in the order of all that happens in the run; Infinity: never. */
  from: number
  to: number
  /** `ok`, an error, `unknown`, or what was to be seen. */
  answer: string
}

/** Records before an offset were to be deleted. */
export interface Deletion {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly atMs: number
  /** The start of the log as it was acknowledged; −1: it was not. */
  start: number
}

/** Records that the cluster itself has reported lost. */
export interface Loss {
  readonly topic: string
  readonly partition: number
  readonly fromOffset: number
  readonly atMs: number
}

/** A record in the log at the end of the run. */
export interface Kept {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}

/** A partition at the end of the run. */
export interface FinalLog {
  readonly topic: string
  readonly partition: number
  readonly startOffset: number
  readonly endOffset: number
  readonly records: readonly Kept[]
}

/** What may have happened to a topic's records besides appends. */
export interface TopicFacts {
  readonly topic: string
  readonly isCompacted: boolean
  /** Old records are deleted. */
  readonly isTrimmed: boolean
  /** Leaders may be elected that do not have all records. */
  readonly allowsUnclean: boolean
  /** It was deleted and made again: offsets and commits begin anew. */
  readonly isRemade: boolean
  /** Records are deleted only when a call asks for it. */
  readonly isRetained: boolean
  /** The lowest `min.insync.replicas` it may have. */
  readonly minInSync: number
  /** The largest batch it takes, if that never changes. */
  readonly batchBytesMax: number
}

export class History {
  readonly sent: Sent[] = []
  readonly readings: Reading[] = []
  readonly commits: Commit[] = []
  readonly losses: Loss[] = []
  readonly changes: Change[] = []
  readonly deletions: Deletion[] = []
  /** Programs that stood still for a while, or were killed. */
  readonly disturbed = new Set<string>()
  /** When the power was cut: what was only written may be gone. */
  readonly powerCuts: { readonly atMs: number; readonly survives: 'durable' | 'nothing' }[] = []

  /** Called when an administrator was answered. */
  onChange: () => void = () => undefined
  #ticks = 0

  /** A number above all earlier ones. */
  tick(): number {
    return ++this.#ticks
  }

  /** The highest offset of a partition that is known to be committed; −1: none. */
  committed(group: string, topic: string, partition: number): number {
    let highest = -1
    for (const each of this.commits) {
      if (each.group !== group || each.topic !== topic || each.partition !== partition) continue
      highest = Math.max(highest, each.offset)
    }
    return highest
  }
}
