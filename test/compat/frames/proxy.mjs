/**
 * A TCP proxy that remembers the frames that go through it. It changes nothing: the broker behind
 * it tells clients the proxy's address as its own.
 */

import { connect, createServer } from 'node:net'

const HOST = '127.0.0.1'
const SIZE_BYTES = 4

/** Listens at `port`; hands each frame to `onFrame({ connection, kind, bytes })`, size left out. */
export function startProxy({ port, target, onFrame }) {
  const sockets = new Set()
  let lastConnection = 0
  const server = createServer(client => {
    const connection = ++lastConnection
    const broker = connect(target)
    pipe(client, broker, bytes => onFrame({ connection, kind: 'request', bytes }))
    pipe(broker, client, bytes => onFrame({ connection, kind: 'response', bytes }))
    for (const socket of [client, broker]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('close', () => sockets.delete(socket))
    }
  })
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  }
  return new Promise(resolve => server.listen(port, HOST, () => resolve({ close })))
}

function pipe(from, to, onFrame) {
  let pending = Buffer.alloc(0)
  from.on('data', chunk => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= SIZE_BYTES) {
      const end = SIZE_BYTES + pending.readInt32BE(0)
      if (pending.length < end) break
      onFrame(Buffer.from(pending.subarray(SIZE_BYTES, end)))
      pending = pending.subarray(end)
    }
    to.write(chunk)
  })
  from.on('error', () => to.destroy())
  from.on('close', () => to.destroy())
}
