/*
 * What a power cut leaves of a recorded disk.
 *
 * The history of a MemoryDisk is played again, minus what the power cut took. An operation is
 * durable when a later sync covers it: appends and truncates by a sync of their file that was asked
 * for after them, names (create, mkdir, rename, remove) by a sync of the folder they stand in.
 * Durable operations always survive. After a sync has failed, the system takes the pages for
 * written: no later sync covers what was appended before. Of the others, by damage:
 *
 *   'synced'   none survives
 *   'prefix'   those before one moment survive, later ones do not; the append at that moment
 *              survives up to some byte
 *   'sectors'  each 512-byte sector of each append survives or not by a throw of the dice, lost
 *              ones read as zeros; each name likewise. A sector is written as a whole: what was
 *              appended to it after a lost piece is lost with it.
 *   'newest'   sectors to which something was appended after one moment survive, older ones read
 *              as zeros; all names survive
 *   'zeros'    files have grown, their new bytes are zeros; all names survive
 *
 * A file whose name did not survive is gone, whatever was synced into it.
 */

import type { Random } from '../../base/random.js'
import { parentOf } from '../../disk/disk.js'
import { fillDisk, MemoryDisk, type DiskOperation } from '../../disk/memory-disk.js'
import { SECTOR_BYTES } from '../../log/recovery/torn-tail.js'

/** What a power cut does to bytes and names that no sync has covered. */
export type Damage = 'synced' | 'prefix' | 'sectors' | 'newest' | 'zeros'
export const DAMAGES: readonly Damage[] = ['synced', 'prefix', 'sectors', 'newest', 'zeros']

/** Where the power goes out: everywhere, or below some folders only. */
export type IsHit = (path: string) => boolean

/** True if chance decides much of what the damage leaves: then more than one throw pays. */
export function hasChance(damage: Damage): boolean {
  return damage === 'prefix' || damage === 'sectors'
}

const EVERYWHERE: IsHit = () => true

/** A new disk that holds what is left after the power went out. */
export function afterPowerCut(
  history: readonly DiskOperation[],
  damage: Damage,
  random: Random,
  isHit: IsHit = EVERYWHERE,
): MemoryDisk {
  const durable = durableOperations(history)
  const medium = new Medium()
  const cutAt = random.int(history.length + 1)
  const lost = new Set<string>()
  const young = damage === 'newest' ? sectorsOf(history.slice(cutAt)) : NO_SECTORS
  history.forEach((operation, index) => {
    if (durable.has(index) || !isHit(operation.path)) return medium.apply(operation)
    switch (damage) {
      case 'synced':
        return undefined
      case 'prefix':
        if (index < cutAt) return medium.apply(operation)
        return index === cutAt ? applyPart(medium, operation, random) : undefined
      case 'sectors':
        return applySectors(medium, lost, operation, random)
      case 'newest':
        return applySectorsOf(medium, young, operation)
      case 'zeros':
        return applyGrowth(medium, operation)
    }
  })
  return medium.toDisk()
}

/** A new disk with everything that was written: the process died, the system lived on. */
export function afterProcessDeath(history: readonly DiskOperation[]): MemoryDisk {
  const medium = new Medium()
  for (const operation of history) medium.apply(operation)
  return medium.toDisk()
}

/** Indexes of the operations that a later sync made durable. */
function durableOperations(history: readonly DiskOperation[]): ReadonlySet<number> {
  const durable = new Set<number>()
  const pendingData = new Map<number, number[]>()
  const pendingNames = new Map<string, number[]>()
  const note = <K>(map: Map<K, number[]>, key: K, index: number): void => {
    const list = map.get(key)
    if (list === undefined) map.set(key, [index])
    else list.push(index)
  }
  const settle = <K>(map: Map<K, number[]>, key: K, covers = Infinity): void => {
    const pending = map.get(key) ?? []
    for (const index of pending) if (index < covers) durable.add(index)
    map.set(
      key,
      pending.filter(index => index >= covers),
    )
  }
  history.forEach((operation, index) => {
    switch (operation.kind) {
      case 'append':
      case 'truncate':
        return note(pendingData, operation.file, index)
      case 'sync':
        return settle(pendingData, operation.file, operation.covers)
      case 'syncFailed':
        return void pendingData.delete(operation.file)
      case 'create':
      case 'makeDirectory':
      case 'remove':
      case 'rename':
        return note(pendingNames, parentOf(operation.path), index)
      case 'syncDirectory':
        return settle(pendingNames, operation.path, operation.covers)
      case 'read':
        return undefined
    }
  })
  return durable
}

/** The file has grown; its bytes have not reached the medium. */
function applyGrowth(medium: Medium, operation: DiskOperation): void {
  if (operation.kind === 'append') {
    return medium.grow(operation.file, operation.position + operation.bytes.byteLength)
  }
  medium.apply(operation)
}

/**
 * The operation under way at the moment of the cut: an append may survive up to some byte; over
 * bytes that the file has already (zeros ahead) up to some sector, which is written as a whole.
 */
function applyPart(medium: Medium, operation: DiskOperation, random: Random): void {
  if (operation.kind !== 'append') return
  const { file, position } = operation
  let length = random.int(operation.bytes.byteLength + 1)
  if (position + length < medium.sizeOf(file)) {
    const end = Math.floor((position + length) / SECTOR_BYTES) * SECTOR_BYTES
    length = Math.max(0, end - position)
  }
  medium.apply({ ...operation, bytes: operation.bytes.subarray(0, length) })
}

/** `lost` names the sectors (file:number) of which something has already been lost. */
function applySectors(
  medium: Medium,
  lost: Set<string>,
  operation: DiskOperation,
  random: Random,
): void {
  if (operation.kind !== 'append') {
    if (random.int(2) === 0) medium.apply(operation)
    return
  }
  for (const { sector, piece } of piecesOf(operation)) {
    if (random.int(2) === 1) lost.add(sector)
    if (!lost.has(sector)) medium.apply(piece)
  }
  // The file may have grown although its last sectors were lost.
  if (random.int(2) === 0) applyGrowth(medium, operation)
}

/** Only what lies in these sectors survives; the file has its size. */
function applySectorsOf(
  medium: Medium,
  kept: ReadonlySet<string>,
  operation: DiskOperation,
): void {
  if (operation.kind !== 'append') return medium.apply(operation)
  for (const { sector, piece } of piecesOf(operation)) if (kept.has(sector)) medium.apply(piece)
  applyGrowth(medium, operation)
}

type Append = Extract<DiskOperation, { kind: 'append' }>

/** An append, cut where sectors end, with the names of the sectors. */
function piecesOf(append: Append): { readonly sector: string; readonly piece: Append }[] {
  const { file, position, bytes } = append
  const pieces = []
  const end = position + bytes.byteLength
  for (let at = position; at < end;) {
    const sector = Math.floor(at / SECTOR_BYTES)
    const next = Math.min(end, (sector + 1) * SECTOR_BYTES)
    const inside = bytes.subarray(at - position, next - position)
    pieces.push({ sector: `${file}:${sector}`, piece: { ...append, position: at, bytes: inside } })
    at = next
  }
  return pieces
}

const NO_SECTORS: ReadonlySet<string> = new Set()

function sectorsOf(operations: readonly DiskOperation[]): ReadonlySet<string> {
  const appends = operations.filter(each => each.kind === 'append')
  return new Set(appends.flatMap(piecesOf).map(({ sector }) => sector))
}

/** Names and bytes as the medium has them. Operations that no longer make sense are lost. */
class Medium {
  readonly #directories = new Set<string>([''])
  readonly #names = new Map<string, number>()
  readonly #files = new Map<number, Bytes>()

  apply(operation: DiskOperation): void {
    switch (operation.kind) {
      case 'create':
        if (this.#directories.has(parentOf(operation.path))) {
          this.#names.set(operation.path, operation.file)
        }
        return
      case 'makeDirectory':
        if (this.#directories.has(parentOf(operation.path))) this.#directories.add(operation.path)
        return
      case 'append':
        return this.#write(operation.file, operation.position, operation.bytes)
      case 'truncate':
        return this.#bytesOf(operation.file).cutTo(operation.size)
      case 'rename':
        return this.#rename(operation)
      case 'remove':
        return this.#remove(operation.path)
      case 'sync':
      case 'syncFailed':
      case 'syncDirectory':
      case 'read':
        return
    }
  }

  grow(file: number, size: number): void {
    this.#bytesOf(file).growTo(size)
  }

  toDisk(): MemoryDisk {
    const disk = new MemoryDisk({ recordsHistory: true })
    const directories = [...this.#directories].filter(path => path !== '').sort()
    const files = [...this.#names]
      .filter(([path]) => this.#directories.has(parentOf(path)))
      .map(([path, file]) => [path, this.#bytesOf(file).content] as const)
    fillDisk(disk, directories, files)
    makeDurable(disk)
    return disk
  }

  sizeOf(file: number): number {
    return this.#bytesOf(file).size
  }

  #write(file: number, position: number, bytes: Uint8Array): void {
    const written = this.#bytesOf(file)
    written.growTo(position + bytes.byteLength)
    written.content.set(bytes, position)
  }

  #bytesOf(file: number): Bytes {
    let bytes = this.#files.get(file)
    if (bytes === undefined) this.#files.set(file, (bytes = new Bytes()))
    return bytes
  }

  #rename({ path: from, to, file }: Extract<DiskOperation, { kind: 'rename' }>): void {
    if (file !== undefined) {
      // The new name leads to the file itself, whether or not its old name ever reached the medium.
      if (this.#names.get(from) === file) this.#names.delete(from)
      if (this.#directories.has(parentOf(to))) this.#names.set(to, file)
      return
    }
    const move = (path: string): string => to + path.slice(from.length)
    const isMoved = (path: string): boolean => path === from || path.startsWith(`${from}/`)
    for (const [path, inside] of [...this.#names].filter(([name]) => isMoved(name))) {
      this.#names.delete(path)
      this.#names.set(move(path), inside)
    }
    for (const path of [...this.#directories].filter(isMoved)) {
      this.#directories.delete(path)
      this.#directories.add(move(path))
    }
  }

  #remove(path: string): void {
    const isGone = (name: string): boolean => name === path || name.startsWith(`${path}/`)
    for (const name of [...this.#names.keys()].filter(isGone)) this.#names.delete(name)
    for (const name of [...this.#directories].filter(isGone)) this.#directories.delete(name)
  }
}

/** The bytes of a file, in a buffer that doubles. */
class Bytes {
  #buffer = new Uint8Array(0)
  size = 0

  get content(): Uint8Array {
    return this.#buffer.subarray(0, this.size)
  }

  /** What it grows by is zeros. */
  growTo(size: number): void {
    if (size <= this.size) return
    if (size > this.#buffer.byteLength) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#buffer.byteLength))
      larger.set(this.content)
      this.#buffer = larger
    }
    this.size = size
  }

  cutTo(size: number): void {
    if (size >= this.size) return
    this.#buffer.fill(0, size, this.size)
    this.size = size
  }
}

/** What lies on the medium after a power cut is durable: sync it all. */
function makeDurable(disk: MemoryDisk): void {
  const synced: DiskOperation[] = []
  for (const operation of disk.history) {
    synced.push(operation)
    if (operation.kind === 'create') {
      synced.push({ kind: 'syncDirectory', path: parentOf(operation.path) })
    } else if (operation.kind === 'makeDirectory') {
      synced.push({ kind: 'syncDirectory', path: parentOf(operation.path) })
    } else if (operation.kind === 'append') {
      synced.push({ kind: 'sync', path: operation.path, file: operation.file })
    }
  }
  disk.history.splice(0, disk.history.length, ...synced)
}
