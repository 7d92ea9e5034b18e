/*
 * Access without a port: clients that accept a socket factory (kafkajs and what builds on it)
 * connect to the brokers of this process. Each broker has a host name that is never resolved.
 */

import type { Duplex } from 'node:stream'
import { atTurnEnd } from '../base/clock.js'
import { addressOf, type Endpoint } from './addresses.js'
import type { Door } from './door.js'
import { MemorySocket } from './memory-socket.js'

const PORT = 9092

/** The argument of a socket factory, as kafkajs's `ISocketFactory` has it. */
export interface SocketRequest {
  readonly host: string
  readonly port: number
  readonly onConnect: () => void
  /** Ignored, because nothing leaves the process. */
  readonly ssl?: unknown
}

/**
 * Returns a socket that connects to a broker in this process: a `Duplex` with the methods that
 * clients call. Its type is the client's, so that the factory fits the client's option.
 */
export type SocketFactory = <Socket>(request: SocketRequest) => Socket

/** A broker's address for clients in this process. */
export function endpointInProcess(nodeId: number): Endpoint {
  return { host: `broker-${nodeId}`, port: PORT }
}

export function socketFactory(
  door: Door,
  brokerIds: readonly number[],
  isRunning: (nodeId: number) => boolean,
): SocketFactory {
  const byName = new Map(
    brokerIds.map(nodeId => [addressOf(endpointInProcess(nodeId)), nodeId] as const),
  )
  return <Socket>({ host, port, onConnect }: SocketRequest): Socket => {
    const [ours, theirs] = MemorySocket.pair()
    const address = addressOf({ host, port })
    const nodeId = byName.get(address)
    const place = { endpointOf: endpointInProcess, clientHost: 'in-process' }
    const isUp = nodeId !== undefined && isRunning(nodeId)
    if (isUp && door.admit(ours, { ...place, nodeId })) {
      atTurnEnd(onConnect)
    } else {
      const error = Object.assign(new Error(`connect ECONNREFUSED ${address}`), {
        code: 'ECONNREFUSED',
        syscall: 'connect',
      })
      atTurnEnd(() => theirs.destroy(error))
    }
    return theirs as Duplex as Socket
  }
}
