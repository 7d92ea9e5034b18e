/**
 * A door without a port: clients that let themselves be given a socket (kafkajs and what builds on
 * it) talk to the brokers of this process. Each broker has a name of its own that nobody has to
 * resolve.
 */

import type { Duplex } from 'node:stream'
import { atTurnEnd } from '../base/clock.js'
import { addressOf, type Endpoint } from './addresses.js'
import type { Door } from './door.js'
import { MemorySocket } from './memory-socket.js'

const PORT = 9092

/** What a client asks a socket factory for; kafkajs' `ISocketFactory`. */
export interface SocketRequest {
  readonly host: string
  readonly port: number
  readonly onConnect: () => void
  /** Not looked at: nothing leaves the process. */
  readonly ssl?: unknown
}

/**
 * Gives a socket that connects to a broker in this process: a `Duplex` with what clients expect of
 * one. Its type is the client's, so that the factory fits wherever a client takes one.
 */
export type SocketFactory = <Socket>(request: SocketRequest) => Socket

/** The name by which clients of this process know a broker. */
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
    const isHere = nodeId !== undefined && isRunning(nodeId)
    if (isHere && door.admit(ours, { ...place, nodeId })) {
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
