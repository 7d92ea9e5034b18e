/**
 * What a power cut leaves of a recorded disk.
 *
 * The history of a MemoryDisk is played again, minus what the power cut took. An operation is
 * durable when a later sync covers it: appends and truncates by a sync of their file, names
 * (create, mkdir, rename, remove) by a sync of the folder they stand in. Durable operations always
 * survive. Of the others, by damage:
 *
 *   'synced'   none survives
 *   'prefix'   those before one moment survive, later ones do not; the append at that moment
 *              survives up to some byte
 *   'sectors'  each 512-byte sector of each append survives or not by a throw of the dice, lost
 *              ones read as zeros; each name likewise. A sector is written as a whole: what was
 *              appended to it after a lost piece is lost with it.
 *
 * A file whose name did not survive is gone, whatever was synced into it.
 */

import type { Random } from '../../src/base/random.js'
import { parentOf } from '../../src/disk/disk.js'
import { fillDisk, MemoryDisk, type DiskOperation } from '../../src/disk/memory-disk.js'

export type Damage = 'synced' | 'prefix' | 'sectors'
export const DAMAGES: readonly Damage[] = ['synced', 'prefix', 'sectors']

const SECTOR_BYTES = 512

/** A new disk that holds what is left after the power went out. */
export function afterPowerCut(
  history: readonly DiskOperation[],
  damage: Damage,
  random: Random,
): MemoryDisk {
  const durable = durableOperations(history)
  const world = new World()
  const cutAt = random.int(history.length + 1)
  const lost = new Set<string>()
  history.forEach((operation, index) => {
    if (durable.has(index)) world.apply(operation)
    else if (damage === 'prefix' && index < cutAt) world.apply(operation)
    else if (damage === 'prefix' && index === cutAt) applyPart(world, operation, random)
    else if (damage === 'sectors') applySectors(world, lost, operation, random)
  })
  return world.toDisk()
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
  const settle = <K>(map: Map<K, number[]>, key: K): void => {
    for (const index of map.get(key) ?? []) durable.add(index)
    map.delete(key)
  }
  history.forEach((operation, index) => {
    switch (operation.kind) {
      case 'append':
      case 'truncate':
        return note(pendingData, operation.file, index)
      case 'sync':
        return settle(pendingData, operation.file)
      case 'create':
      case 'makeDirectory':
      case 'remove':
      case 'rename':
        return note(pendingNames, parentOf(operation.path), index)
      case 'syncDirectory':
        return settle(pendingNames, operation.path)
      case 'read':
        return undefined
    }
  })
  return durable
}

/**
 * The operation under way at the moment of the cut: an append may survive up to some byte; over
 * bytes that the file has already (zeros ahead) up to some sector, which is written as a whole.
 */
function applyPart(world: World, operation: DiskOperation, random: Random): void {
  if (operation.kind !== 'append') return
  const { file, position } = operation
  let length = random.int(operation.bytes.byteLength + 1)
  if (position + length < world.sizeOf(file)) {
    const end = Math.floor((position + length) / SECTOR_BYTES) * SECTOR_BYTES
    length = Math.max(0, end - position)
  }
  world.apply({ ...operation, bytes: operation.bytes.subarray(0, length) })
}

/** `lost` names the sectors (file:number) of which something has already been lost. */
function applySectors(
  world: World,
  lost: Set<string>,
  operation: DiskOperation,
  random: Random,
): void {
  if (operation.kind !== 'append') {
    if (random.int(2) === 0) world.apply(operation)
    return
  }
  const { file, position, bytes } = operation
  const end = position + bytes.byteLength
  for (let at = position; at < end;) {
    const sector = Math.floor(at / SECTOR_BYTES)
    const next = Math.min(end, (sector + 1) * SECTOR_BYTES)
    if (random.int(2) === 1) lost.add(`${file}:${sector}`)
    if (!lost.has(`${file}:${sector}`)) {
      const piece = bytes.subarray(at - position, next - position)
      world.apply({ ...operation, position: at, bytes: piece })
    }
    at = next
  }
  // The file may have grown although its last sectors were lost.
  if (random.int(2) === 0) world.grow(file, end)
}

/** Names and bytes as the medium has them. Operations that no longer make sense are lost. */
class World {
  readonly #directories = new Set<string>([''])
  readonly #names = new Map<string, number>()
  readonly #files = new Map<number, Uint8Array>()

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
        return this.#resize(operation.file, Math.min(operation.size, this.sizeOf(operation.file)))
      case 'rename':
        return this.#rename(operation)
      case 'remove':
        return this.#remove(operation.path)
      case 'sync':
      case 'syncDirectory':
      case 'read':
        return
    }
  }

  grow(file: number, size: number): void {
    if (size > this.sizeOf(file)) this.#resize(file, size)
  }

  toDisk(): MemoryDisk {
    const disk = new MemoryDisk({ recordsHistory: true })
    const directories = [...this.#directories].filter(path => path !== '').sort()
    const files = [...this.#names]
      .filter(([path]) => this.#directories.has(parentOf(path)))
      .map(([path, file]) => [path, this.#files.get(file) ?? new Uint8Array(0)] as const)
    fillDisk(disk, directories, files)
    makeDurable(disk)
    return disk
  }

  sizeOf(file: number): number {
    return this.#files.get(file)?.byteLength ?? 0
  }

  #write(file: number, position: number, bytes: Uint8Array): void {
    this.grow(file, position + bytes.byteLength)
    this.#files.get(file)?.set(bytes, position)
  }

  #resize(file: number, size: number): void {
    const resized = new Uint8Array(size)
    const before = this.#files.get(file)
    if (before !== undefined) resized.set(before.subarray(0, size))
    this.#files.set(file, resized)
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
