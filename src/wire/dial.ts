/** Connects to a broker: TCP, or TLS over it. */

import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import type { Clock } from '../base/clock.js'
import { whenAborted } from '../base/tasks.js'
import { PartlogError } from '../model/errors.js'
import { addressOf, type Endpoint } from './addresses.js'

/** How a TLS connection is made; what `node:tls` takes, as far as a client needs it. */
export interface TlsOptions {
  /** Certificates of those who may vouch for the brokers, PEM. Default: those of Node. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined
  /** The client's own certificate, PEM, where brokers want one. */
  readonly cert?: string | Uint8Array | undefined
  /** Its private key, PEM. */
  readonly key?: string | Uint8Array | undefined
  /** Of the key. */
  readonly passphrase?: string | undefined
  /** The name that the broker's certificate must have. Default: the host connected to. */
  readonly servername?: string | undefined
  /** False takes any certificate: then nobody knows who is at the other end. Default true. */
  readonly rejectUnauthorized?: boolean | undefined
}

export interface DialOptions {
  readonly clock: Clock
  readonly tls: TlsOptions | undefined
  /** socket.connection.setup.timeout.ms */
  readonly timeoutMs: number
  /** Aborts when nobody wants the connection any more. */
  readonly closing: AbortSignal
}

/** Rejects with NETWORK_EXCEPTION; nothing was sent then. */
export async function dial(endpoint: Endpoint, options: DialOptions): Promise<Socket> {
  const { clock, timeoutMs, tls, closing } = options
  let socket: Socket | undefined
  const giveUp = (why: string): void => void socket?.destroy(new Error(why))
  const timer = clock.after(timeoutMs, () => giveUp(`no connection within ${timeoutMs} ms`))
  const forget = whenAborted(closing, () => giveUp('it is not wanted any more'))
  try {
    socket = opening(endpoint, tls) // throws for a port that is none
    socket.on('error', () => undefined) // whoever waits for it is told
    await once(socket, tls === undefined ? 'connect' : 'secureConnect')
    return socket
  } catch (cause) {
    socket?.destroy()
    const sentence = `${addressOf(endpoint)} cannot be reached: ${reasonOf(cause)}`
    throw new PartlogError('NETWORK_EXCEPTION', sentence, { cause })
  } finally {
    timer.cancel()
    forget()
  }
}

function opening({ host, port }: Endpoint, tls: TlsOptions | undefined): Socket {
  const common = { host, port, noDelay: true, keepAlive: true }
  if (tls === undefined) return connectTcp(common)
  const { ca, cert, key, ...rest } = tls
  const { connect: connectTls } = process.getBuiltinModule('node:tls') // few need it
  return connectTls({
    ...common,
    ...rest,
    ...(ca === undefined ? {} : { ca: [ca].flat().map(pem) }),
    ...(cert === undefined ? {} : { cert: pem(cert) }),
    ...(key === undefined ? {} : { key: pem(key) }),
  })
}

function pem(given: string | Uint8Array): string | Buffer {
  return typeof given === 'string' ? given : Buffer.from(given)
}

/** A name that has several addresses fails with all of them. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
