/*
 * A socket without a network: what is written to one end is read from the other. Data arrives only
 * after the write has returned, because clients do not expect an answer during their own call.
 */

import { Duplex } from 'node:stream'
import { atTurnEnd } from '../base/clock.js'

/** One end, with the methods that clients call on a socket of `node:net`. */
export class MemorySocket extends Duplex {
  #peer: MemorySocket | undefined
  /** Set while the peer's buffer is full; called when it reads more. */
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
    const bytes = Buffer.from(chunk) // the writer may reuse its buffer
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
    // The peer still reads what was written before.
    atTurnEnd(() => {
      if (!peer.readableEnded) peer.push(null)
      peer.#peer = undefined
    })
  }

  // Clients call these on sockets of `node:net`; here they do nothing.
  readonly setKeepAlive = (): this => this
  readonly setNoDelay = (): this => this
  readonly setTimeout = (): this => this
  readonly ref = (): this => this
  readonly unref = (): this => this
}
