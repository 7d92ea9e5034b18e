/* Connects to a broker: TCP, or TLS over it. */

import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import type { Clock } from '../base/clock.js'
import { whenAborted } from '../base/tasks.js'
import { PartlogError } from '../model/errors.js'
import { addressOf, type Endpoint } from './addresses.js'

/** TLS options: those of `node:tls` that a client needs. */
export interface TlsOptions {
  /** Certificate authorities that may sign the brokers' certificates, PEM. Default: Node's. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined
  /** The client's certificate, PEM, if brokers require one. */
  readonly cert?: string | Uint8Array | undefined
  /** The private key of `cert`, PEM. */
  readonly key?: string | Uint8Array | undefined
  /** The passphrase of `key`. */
  readonly passphrase?: string | undefined
  /** The name that the broker's certificate must have. Default: the host connected to. */
  readonly servername?: string | undefined
  /** False accepts any certificate, so the broker is not authenticated. Default true. */
  readonly rejectUnauthorized?: boolean | undefined
}

export interface DialOptions {
  readonly clock: Clock
  readonly tls: TlsOptions | undefined
  /** socket.connection.setup.timeout.ms */
  readonly timeoutMs: number
  /** Aborts when the connection is no longer needed. */
  readonly closing: AbortSignal
}

/** Rejects with NETWORK_EXCEPTION; then nothing was sent. */
export async function dial(endpoint: Endpoint, options: DialOptions): Promise<Socket> {
  const { clock, timeoutMs, tls, closing } = options
  let socket: Socket | undefined
  const giveUp = (why: string): void => void socket?.destroy(new Error(why))
  const timer = clock.after(timeoutMs, () => giveUp(`no connection within ${timeoutMs} ms`))
  const forget = whenAborted(closing, () => giveUp('the client was closed'))
  try {
    socket = opening(endpoint, tls) // throws for a port that is none
    socket.on('error', () => undefined) // `once` below rejects with it
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

/** The reason; a host name with several addresses has one for each. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
