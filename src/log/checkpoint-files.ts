/*
 * The four checkpoint files of a data folder, each with its sealed copy: reading them at opening,
 * with findings about damage, and writing them.
 */

import { isDiskError, join, type Disk } from '../disk/disk.js'
import type { Offset } from '../model/units.js'
import {
  CheckpointError,
  formatOffsets,
  parseOffsets,
  type OffsetCheckpoint,
  type PartitionOffset,
} from './format/checkpoints.js'
import {
  CLEAN_SHUTDOWN,
  CLEANER_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  LOG_START_CHECKPOINT,
  RECOVERY_POINT_CHECKPOINT,
} from './format/files.js'
import { SealedFile, writeSealedFiles, type WriteCounts } from './format/sealed-file.js'
import type { RecoveryFinding } from './recovery/recovery.js'

/** As Kafka writes it. */
const MARKER = Buffer.from('{"version":0,"brokerEpoch":-1}')

/** The offsets in one of the files. */
export interface StoredOffsets {
  readonly offsets: OffsetCheckpoint
  /** A valid checksum covers the offsets. */
  readonly isSealed: boolean
  /** The file could be read, or does not exist. */
  readonly isReadable: boolean
}

/** Lines to be written; what is absent stays as it is. */
export interface CheckpointLines {
  readonly recoveryPoints?: readonly PartitionOffset[]
  readonly logStarts?: readonly PartitionOffset[]
  readonly highWatermarks?: readonly PartitionOffset[]
  readonly firstDirty?: readonly PartitionOffset[]
  /** Whether the marker of a clean shutdown is written after them. */
  readonly isCleanEnd?: boolean
}

/** The offsets in all four files. */
export interface StoredCheckpoints {
  readonly recoveryPoints: StoredOffsets
  readonly logStarts: StoredOffsets
  readonly highWatermarks: StoredOffsets
  readonly firstDirty: StoredOffsets
}

const NONE: StoredOffsets = { offsets: new Map(), isSealed: false, isReadable: true }

export class CheckpointFiles {
  readonly #recoveryPoints: SealedFile
  readonly #logStarts: SealedFile
  readonly #highWatermarks: SealedFile
  readonly #firstDirty: SealedFile
  readonly #disk: Disk
  readonly #root: string

  constructor(disk: Disk, root: string) {
    const counts: WriteCounts = new Map()
    const file = (name: string): SealedFile => new SealedFile(disk, join(root, name), counts)
    this.#disk = disk
    this.#root = root
    this.#recoveryPoints = file(RECOVERY_POINT_CHECKPOINT)
    this.#logStarts = file(LOG_START_CHECKPOINT)
    this.#highWatermarks = file(HIGH_WATERMARK_CHECKPOINT)
    this.#firstDirty = file(CLEANER_CHECKPOINT)
  }

  /** The folder is new: no file exists. */
  beginNew(): StoredCheckpoints {
    for (const file of this.#all) file.beginNew()
    return { recoveryPoints: NONE, logStarts: NONE, highWatermarks: NONE, firstDirty: NONE }
  }

  get #all(): readonly SealedFile[] {
    return [this.#recoveryPoints, this.#logStarts, this.#highWatermarks, this.#firstDirty]
  }

  /** Reads the files; adds what is wrong with them to `findings`. */
  async read(findings: RecoveryFinding[]): Promise<StoredCheckpoints> {
    const unreadable = new Map<SealedFile, string>()
    for (const file of this.#all) {
      await file.load().catch((error: unknown) => {
        if (!isDiskError(error)) throw error
        unreadable.set(file, error.message)
      })
    }
    const read = (file: SealedFile): StoredOffsets =>
      offsetsIn(file, unreadable.get(file), findings)
    return {
      recoveryPoints: read(this.#recoveryPoints),
      logStarts: read(this.#logStarts),
      highWatermarks: read(this.#highWatermarks),
      firstDirty: read(this.#firstDirty),
    }
  }

  /** Durable when it resolves. */
  async write(lines: CheckpointLines): Promise<void> {
    const { recoveryPoints, logStarts, highWatermarks, firstDirty, isCleanEnd = false } = lines
    const texts: [SealedFile, string][] = []
    // No file is created to hold no line: a missing one says the same.
    const add = (file: SealedFile, offsets: readonly PartitionOffset[] | undefined): void => {
      const isUsed = offsets !== undefined && (offsets.length > 0 || file.mayExist)
      if (isUsed) texts.push([file, formatOffsets(offsets)])
    }
    add(this.#recoveryPoints, recoveryPoints)
    add(this.#logStarts, logStarts)
    add(this.#highWatermarks, highWatermarks)
    add(this.#firstDirty, firstDirty)
    const marker = { path: join(this.#root, CLEAN_SHUTDOWN), bytes: MARKER }
    await writeSealedFiles(this.#disk, texts, isCleanEnd ? marker : undefined)
  }
}

/** A file that cannot be read counts as absent, which costs time: see checkpoints.ts. */
function offsetsIn(
  file: SealedFile,
  unreadable: string | undefined,
  findings: RecoveryFinding[],
): StoredOffsets {
  const found = (kind: 'checkpoint-restored' | 'checkpoint-ignored', reason: string): void => {
    findings.push({ kind, file: file.path, position: 0, bytes: 0, reason, keptIn: [] })
  }
  try {
    if (unreadable !== undefined) throw new CheckpointError(unreadable)
    const { text, isSealed, odd } = file.content
    const offsets = text === undefined ? new Map<string, Offset>() : parseOffsets(text)
    if (odd !== undefined) found('checkpoint-restored', odd)
    return { offsets, isSealed, isReadable: true }
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error
    found('checkpoint-ignored', error.message)
    return { offsets: new Map(), isSealed: false, isReadable: false }
  }
}
