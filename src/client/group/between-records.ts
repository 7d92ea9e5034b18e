/**
 * Changes a consumer's partitions while the application has no record in hand. A rebalance that has
 * to wait for records for long holds up the whole group: the log says which consumer it is.
 */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { GroupClient } from './group-client.js'
import type { MemberSettings } from './member-config.js'
import type { ReadingGate } from './reading-gate.js'

/** A rebalance that waits for records in hand for longer is worth a warning. */
const HOLD_UP_MS = 3_000

export interface BetweenRecordsOptions {
  readonly client: GroupClient
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: MemberSettings
  readonly gate: ReadingGate
}

export class BetweenRecords {
  readonly #options: BetweenRecordsOptions
  /** Aborts the wait for the record in hand. */
  #impatience = new AbortController()
  #isHurried = false

  constructor(options: BetweenRecordsOptions) {
    this.#options = options
  }

  get isHurried(): boolean {
    return this.#isHurried
  }

  /** Hurried: the application itself has asked for the change, its record is not waited for. */
  set isHurried(isHurried: boolean) {
    this.#isHurried = isHurried
    if (isHurried) this.#impatience.abort()
  }

  /** Runs one change, as soon as no record is in hand; does nothing once `life` aborts. */
  async run(life: AbortSignal, change: () => Promise<void>): Promise<void> {
    const impatience = new AbortController()
    this.#impatience = impatience
    const giveUp = (): void => impatience.abort()
    if (life.aborted || this.#isHurried) giveUp()
    life.addEventListener('abort', giveUp, { once: true })
    const release = await this.#hold(impatience.signal)
    try {
      if (!life.aborted) await change()
    } finally {
      life.removeEventListener('abort', giveUp)
      release()
    }
  }

  async #hold(impatience: AbortSignal): Promise<() => void> {
    const { clock, logger, gate, client, settings } = this.#options
    const warn = (): void => {
      const who = `client ${settings.clientId}, member "${client.identity.memberId}"`
      logger.warn(
        `group ${client.groupId} rebalances, and all of it waits for this consumer (${who}): it ` +
          'has records in hand. It goes on when they are done: when the handler resolves, at the ' +
          'next poll, with commit() or close(); if not, without this consumer, after ' +
          `maxPollIntervalMs (${settings.maxPollIntervalMs} ms)`,
      )
    }
    const timer = clock.after(HOLD_UP_MS, warn, 'background')
    try {
      return await gate.hold(impatience)
    } finally {
      timer.cancel()
    }
  }
}
