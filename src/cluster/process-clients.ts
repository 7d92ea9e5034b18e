/*
 * The cluster as one simulated process sees it: clients with the process' clock, whose requests go
 * through the process. When the process is paused or killed they stand still with it.
 */

import type { Clock } from '../base/clock.js'
import { ClientMaker } from '../client/kafka-cluster.js'
import { REQUEST_TIMEOUT_MS } from '../client/line/client-config.js'
import type { Channel } from '../protocol/channel.js'
import type { Parts } from './cluster-parts.js'

/** What the clients of a process get of it. */
export interface SimulatedProcess {
  readonly clock: Clock
  /** Puts the process between a client and the network. */
  readonly through: (channel: Channel) => Channel
}

export class ProcessClients extends ClientMaker {
  constructor(parts: Parts, { clock, through }: SimulatedProcess) {
    const { factory, random, logger, news, admin } = parts
    super({
      factory,
      clock,
      random,
      logger,
      admin,
      channelFor: ({ clientId, requestTimeoutMs = REQUEST_TIMEOUT_MS }) => ({
        channel: through(parts.channelFor({ clientId, requestTimeoutMs })),
      }),
      onProgress: () => news.notify(),
    })
  }

  protected override async closeRest(): Promise<void> {
    // The brokers belong to the cluster.
  }
}
