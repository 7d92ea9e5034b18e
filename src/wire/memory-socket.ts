/**
 * A socket without a network: two ends, what is written to one is read from the other. Never within
 * the call that wrote it: clients are not made for answers that come before they have finished
 * asking.
 */

import { Duplex } from 'node:stream'
import { atTurnEnd } from '../base/clock.js'

/** One end, with what clients expect of a socket of `node:net`. */
export class MemorySocket extends Duplex {
  #peer: MemorySocket | undefined
  /** The reader of the peer is full: called when it wants more. */
  #onTaken: (() => void) | undefined

  static pair(): [MemorySocket, MemorySocket] {
    const [a, b] = [new MemorySocket(), new MemorySocket()]
    a.#peer = b
    b.#peer = a
    return [a, b]
  }

  override _read(): void {
    const peer = this.#peer
    if (peer === undefined) return
    const onTaken = peer.#onTaken
    peer.#onTaken = undefined
    onTaken?.()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const bytes = Buffer.from(chunk) // the writer may use its buffer again
    atTurnEnd(() => {
      const peer = this.#peer
      if (peer === undefined || peer.destroyed) return done(new Error('write EPIPE'))
      if (peer.push(bytes)) done()
      else this.#onTaken = done
    })
  }

  override _final(done: () => void): void {
    atTurnEnd(() => {
      this.#peer?.push(null)
      done()
    })
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const peer = this.#peer
    this.#peer = undefined
    this.#onTaken?.()
    done(error)
    if (peer === undefined || peer.destroyed) return
    // What was written before is still read.
    atTurnEnd(() => {
      if (!peer.readableEnded) peer.push(null)
      peer.#peer = undefined
    })
  }

  // Clients call these on sockets of `node:net`; there is nothing to do.
  readonly setKeepAlive = (): this => this
  readonly setNoDelay = (): this => this
  readonly setTimeout = (): this => this
  readonly ref = (): this => this
  readonly unref = (): this => this
}
