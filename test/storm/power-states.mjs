/**
 * What a power cut could leave, from a trace alone: bytes, names, and the syncs that ended before
 * it. Nothing here knows partlog, or the disk in memory that its other tests crash.
 *
 * Folders and files are nodes; a name is an entry in its folder. An operation on a node is durable
 * from the moment at which a sync of that node ends that began after the operation had ended.
 * Others may survive or not. What the file system adds (ext4 makes a new name durable with its
 * file) is not relied on.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

const SECTOR_BYTES = 512

/** Follows a trace: what each call did to which node, and when that became durable. */
export class DiskTrace {
  /** { node, kind, at, bytes | size | name, child | from, begins, ends, durableAt } */
  operations = []
  /** What the process said: { text, begins }. */
  said = []
  syncs = []
  #root
  #base
  #descriptors = new Map()
  #pending = new Map()
  #nodes = 0
  #moments = 0

  /** `base` is the folder in which everything happens; it is empty and durable. */
  constructor(base) {
    this.#base = base
    this.#root = this.#node(true)
  }

  /** Adds the events of a process; the next one finds the files as this one left them. */
  add(events) {
    const first = this.#moments
    this.#descriptors.clear()
    for (const event of events) {
      this.#follow({ ...event, begins: first + event.begins, ends: first + event.ends })
      this.#moments = Math.max(this.#moments, first + event.ends)
    }
  }

  get end() {
    return this.#moments
  }

  #node(isFolder) {
    return { id: this.#nodes++, isFolder, entries: new Map(), size: 0 }
  }

  #follow(event) {
    const { op, descriptor, path } = event
    switch (op) {
      case 'open':
        return this.#open(event)
      case 'close':
        return void this.#descriptors.delete(descriptor)
      case 'write':
        return descriptor === 1 ? this.#says(event) : this.#write(event)
      case 'truncate':
        return this.#on(event, file => this.#resize(file.node, event.size, event))
      case 'sync':
        return this.#on(event, file => this.#sync(file.node, event))
      case 'mkdir':
        return this.#enter(path, this.#node(true), event)
      case 'unlink':
        return this.#enter(path, undefined, event)
      case 'link':
        return this.#enter(event.to, this.#find(event.from), event)
      case 'rename':
        return this.#rename(event)
    }
  }

  #says({ bytes, begins }) {
    for (const text of String(bytes).split('\n').slice(0, -1)) this.said.push({ text, begins })
  }

  #open(event) {
    const { path, descriptor, creates, truncates } = event
    this.#descriptors.delete(descriptor)
    if (!path.startsWith(this.#base)) return
    let node = this.#find(path)
    if (node === undefined && creates) {
      node = this.#node(false)
      this.#enter(path, node, event)
    }
    if (node === undefined) return
    if (truncates && node.size > 0) this.#resize(node, 0, event)
    this.#descriptors.set(descriptor, { node, position: 0 })
  }

  #on({ descriptor }, task) {
    const file = this.#descriptors.get(descriptor)
    if (file !== undefined) task(file)
  }

  #write(event) {
    this.#on(event, file => {
      const { bytes, begins, ends } = event
      const at = event.at ?? file.position
      file.position = at + bytes.byteLength
      file.node.size = Math.max(file.node.size, file.position)
      this.#note({ node: file.node, kind: 'write', at, bytes, begins, ends })
    })
  }

  #resize(node, size, { begins, ends }) {
    node.size = size
    this.#note({ node, kind: 'truncate', size, begins, ends })
  }

  #find(path) {
    if (!path.startsWith(this.#base)) return undefined
    const names = path.slice(this.#base.length).split('/').filter(Boolean)
    return names.reduce((node, name) => node?.entries.get(name), this.#root)
  }

  #enter(path, child, { begins, ends }) {
    const folder = this.#find(dirname(path))
    if (folder === undefined || !path.startsWith(this.#base)) return
    const name = path.slice(path.lastIndexOf('/') + 1)
    if (child === undefined) folder.entries.delete(name)
    else folder.entries.set(name, child)
    this.#note({ node: folder, kind: 'enter', name, child, begins, ends })
  }

  #rename({ from, to, begins, ends }) {
    const child = this.#find(from)
    const [source, target] = [this.#find(dirname(from)), this.#find(dirname(to))]
    if (child === undefined || source !== target) return
    const [oldName, name] = [from, to].map(path => path.slice(path.lastIndexOf('/') + 1))
    source.entries.delete(oldName)
    target.entries.set(name, child)
    this.#note({ node: target, kind: 'enter', name, child, oldName, begins, ends })
  }

  #note(operation) {
    operation.durableAt = Infinity
    this.operations.push(operation)
    const { id } = operation.node
    this.#pending.set(id, [...(this.#pending.get(id) ?? []), operation])
  }

  #sync(node, { begins, ends }) {
    this.syncs.push(ends)
    const left = []
    for (const operation of this.#pending.get(node.id) ?? []) {
      if (operation.ends < begins) operation.durableAt = ends
      else left.push(operation)
    }
    this.#pending.set(node.id, left)
  }

  /** Whether the node can be reached by durable names alone. */
  isReachable(node, moment) {
    if (node === this.#root) return true
    return this.operations.some(
      ({ kind, child, durableAt, node: folder }) =>
        kind === 'enter' && child === node && durableAt <= moment && this.isReachable(folder, moment),
    )
  }

  /**
   * What is left of a power cut at this moment, as a tree of { entries } and { bytes }. `survives`
   * says of an operation that is not durable whether it survives: true, false, or how many of its
   * bytes; or, for a write, `'sectors'`: some of its sectors by a throw of the dice.
   */
  stateAt(moment, survives, random) {
    const world = new Map([[this.#root.id, { entries: new Map() }]])
    const of = ({ id, isFolder }) => {
      if (!world.has(id)) world.set(id, isFolder ? { entries: new Map() } : { bytes: Buffer.alloc(0) })
      return world.get(id)
    }
    const lost = new Set()
    for (const operation of this.operations) {
      if (operation.begins > moment) continue
      const fate = operation.durableAt <= moment ? true : survives(operation)
      if (fate !== false) apply(operation, of, { fate, lost, random })
      else if (operation.kind === 'write') loseSectors(operation, lost)
    }
    return world.get(this.#root.id)
  }
}

function loseSectors({ node, at, bytes }, lost) {
  const last = Math.floor((at + bytes.byteLength - 1) / SECTOR_BYTES)
  for (let sector = Math.floor(at / SECTOR_BYTES); sector <= last; sector++) {
    lost.add(`${node.id}:${sector}`)
  }
}

function apply(operation, of, { fate, lost, random }) {
  const { node, kind, at, bytes, size, name, oldName, child } = operation
  const it = of(node)
  if (kind === 'enter') {
    if (oldName !== undefined && it.entries.get(oldName) === of(child)) it.entries.delete(oldName)
    if (child === undefined) it.entries.delete(name)
    else it.entries.set(name, of(child))
  } else if (kind === 'truncate') {
    it.bytes = size <= it.bytes.byteLength ? it.bytes.subarray(0, size) : grown(it.bytes, size)
  } else if (fate === 'sectors') {
    writeSectors(it, operation, { lost, random })
  } else {
    write(it, at, fate === true ? bytes : bytes.subarray(0, fate))
  }
}

/** A sector is written as a whole: what comes after a lost piece of it is lost with it. */
function writeSectors(it, { node, at, bytes }, { lost, random }) {
  const end = at + bytes.byteLength
  for (let from = at; from < end; ) {
    const sector = Math.floor(from / SECTOR_BYTES)
    const to = Math.min(end, (sector + 1) * SECTOR_BYTES)
    if (random.int(2) === 0) lost.add(`${node.id}:${sector}`)
    if (!lost.has(`${node.id}:${sector}`)) write(it, from, bytes.subarray(from - at, to - at))
    from = to
  }
  if (random.int(2) === 0) it.bytes = grown(it.bytes, end)
}

function write(it, at, bytes) {
  it.bytes = Buffer.from(grown(it.bytes, at + bytes.byteLength))
  it.bytes.set(bytes, at)
}

function grown(bytes, size) {
  if (size <= bytes.byteLength) return bytes
  const larger = Buffer.alloc(size)
  larger.set(bytes)
  return larger
}

/** Writes the state into a folder, where it can be opened. */
export function writeState({ entries }, path) {
  mkdirSync(path, { recursive: true })
  for (const [name, it] of entries) {
    if (it.entries === undefined) writeFileSync(`${path}/${name}`, it.bytes)
    else writeState(it, `${path}/${name}`)
  }
}
