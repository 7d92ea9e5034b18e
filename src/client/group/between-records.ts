/*
 * Changes a consumer's partitions while the application has no record in hand. A rebalance that
 * waits for records for long holds up the whole group: a warning names the consumer.
 */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import { whenAborted } from '../../base/tasks.js'
import type { GroupClient } from './group-client.js'
import type { MemberSettings } from './member-config.js'
import type { ReadingGate } from './reading-gate.js'

/** A rebalance that waits for records in hand for longer than this is logged. */
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

  /** True when the application itself asked for the change: its record is not waited for. */
  set isHurried(isHurried: boolean) {
    this.#isHurried = isHurried
    if (isHurried) this.#impatience.abort()
  }

  /** Runs one change, as soon as no record is in hand; does nothing once `life` aborts. */
  async run(life: AbortSignal, change: () => Promise<void>): Promise<void> {
    const impatience = new AbortController()
    this.#impatience = impatience
    const giveUp = (): void => impatience.abort()
    if (this.#isHurried) giveUp()
    const forget = whenAborted(life, giveUp)
    const release = await this.#hold(impatience.signal)
    try {
      if (!life.aborted) await change()
    } finally {
      forget()
      release()
    }
  }

  async #hold(impatience: AbortSignal): Promise<() => void> {
    const { clock, logger, gate, client, settings } = this.#options
    const warn = (): void => {
      const name = `client ${settings.clientId}, member "${client.identity.memberId}"`
      logger.warn(
        `the rebalance of group ${client.groupId} waits for this consumer (${name}): it has ` +
          'records in hand. The rebalance continues when they are processed: when the handler ' +
          'resolves, at the next poll, with commit() or close(); otherwise it continues without ' +
          `this consumer after maxPollIntervalMs (${settings.maxPollIntervalMs} ms)`,
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
