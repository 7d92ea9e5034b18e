/** All doors of a cluster: the one without a port, and those that listen. */

import { readOptions } from '../base/config.js'
import { checkedConfig } from '../model/errors.js'
import { Door, type DoorLimits, type DoorOptions } from './door.js'
import { endpointInProcess, socketFactory, type SocketFactory } from './socket-factory.js'
import { listen, LISTEN_OPTIONS, type Listening, type ListenOptions } from './tcp-server.js'
import { addressOf } from './addresses.js'

export interface DoorsOptions extends DoorOptions {
  readonly brokerIds: readonly number[]
  readonly isRunning: (nodeId: number) => boolean
}

export class Doors {
  readonly #options: DoorsOptions
  readonly #open = new Set<{ close(): Promise<void> }>()
  readonly #doors = new Set<Door>()
  #socketFactory: SocketFactory | undefined

  constructor(options: DoorsOptions) {
    this.#options = options
  }

  get bootstrap(): string[] {
    return this.#options.brokerIds.map(id => addressOf(endpointInProcess(id)))
  }

  get socketFactory(): SocketFactory {
    const { brokerIds, isRunning } = this.#options
    return (this.#socketFactory ??= socketFactory(this.#door(), brokerIds, isRunning))
  }

  async listen(options: ListenOptions): Promise<Listening> {
    const settings = checkedConfig(() => readOptions(LISTEN_OPTIONS, options, 'listen option'))
    const { host, advertisedHost = host } = settings
    const { brokerIds, isRunning } = this.#options
    const { maxConnections, connectionsMaxIdleMs: maxIdleMs } = settings
    const door = this.#door({ maxConnections, maxIdleMs })
    const place = { ...settings, advertisedHost, door, brokerIds, isRunning }
    const listening = await listen(place)
    this.#open.add(listening)
    return listening
  }

  /** A broker has gone: its clients notice at once, as those of a process that ends. */
  disconnect(nodeId: number): void {
    for (const door of this.#doors) door.disconnect(nodeId)
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#open].map(each => each.close()))
  }

  #door(limits?: DoorLimits): Door {
    const door = new Door(this.#options, limits)
    this.#doors.add(door)
    this.#open.add(door)
    return door
  }
}
