/*
 * Kafka's small text files next to the logs: offsets that save opening from reading the logs.
 *
 *   0\n                          version
 *   2\n                          the number of lines that follow
 *   orders 0 122\n               topic partition offset
 *   a-b.c_d 11 7\n
 *
 * Each is replaced as a whole. A file that cannot be read counts as absent, which only costs time:
 * without a recovery point the whole log is scanned; without a log start offset the log starts at
 * its first segment.
 */

import { partitionKey } from '../../model/names.js'
import type { LeaderEpoch, Offset } from '../../model/units.js'

const VERSION = '0'

export class CheckpointError extends Error {
  override readonly name = 'CheckpointError'
}

/** The lines of a checkpoint, each split into its fields. */
export function parseCheckpoint(text: string, fieldCount: number): string[][] {
  const [version, count, ...rest] = text.split('\n')
  if (text === '' || (version === VERSION && count === undefined)) return []
  if (version !== VERSION) throw new CheckpointError(`version ${version} is not known`)
  const lines = rest.filter(line => line !== '').map(line => line.trim().split(/\s+/))
  if (String(lines.length) !== count) {
    throw new CheckpointError(`${count} lines announced, ${lines.length} found`)
  }
  const malformed = lines.find(fields => fields.length !== fieldCount)
  if (malformed !== undefined) throw new CheckpointError(`malformed line "${malformed.join(' ')}"`)
  return lines
}

export function formatCheckpoint(lines: readonly string[]): string {
  return `${VERSION}\n${lines.length}\n${lines.map(line => `${line}\n`).join('')}`
}

// ── offsets per partition ────────────────────────────────────────────────────────────────

/** Offsets by {@link partitionKey}. */
export type OffsetCheckpoint = ReadonlyMap<string, Offset>

export function parseOffsets(text: string): Map<string, Offset> {
  const offsets = new Map<string, Offset>()
  for (const [topic, partition, offset] of parseCheckpoint(text, 3)) {
    offsets.set(partitionKey(topic as string, numberOf(partition)), numberOf(offset))
  }
  return offsets
}

export interface PartitionOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: Offset
}

export function formatOffsets(offsets: Iterable<PartitionOffset>): string {
  return formatCheckpoint(
    [...offsets].map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`),
  )
}

function numberOf(text: string | undefined): number {
  // Digits only: Number alone would accept a damaged "1e00" or "0x10".
  const value = /^\d+$/.test(text ?? '') ? Number(text) : NaN
  if (!Number.isSafeInteger(value)) {
    throw new CheckpointError(`"${text}" is not a number from 0 to 2^53 − 1`)
  }
  return value
}

// ── leader epochs ────────────────────────────────────────────────────────────────────────

export interface EpochStart {
  readonly epoch: LeaderEpoch
  /** Offset of the first record of this epoch. */
  readonly startOffset: Offset
}

export function parseEpochs(text: string): EpochStart[] {
  return parseCheckpoint(text, 2).map(([epoch, startOffset]) => ({
    epoch: numberOf(epoch),
    startOffset: numberOf(startOffset),
  }))
}

export function formatEpochs(epochs: readonly EpochStart[]): string {
  return formatCheckpoint(epochs.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`))
}
