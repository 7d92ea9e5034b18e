/* The options of a consumer's membership in a group, with Kafka's defaults. */

import {
  instance,
  INT_MAX,
  integer,
  oneOf,
  option,
  optional,
  type OptionTable,
  type OptionValues,
  text,
} from '../../base/options.js'
import { PartlogError } from '../../model/errors.js'
import type { Assignor } from '../../protocol/assignors/assignor.js'
import { ASSIGNORS } from '../../protocol/assignors/assignors.js'
import { RETRY_OPTIONS } from '../line/client-config.js'
import { isListOfAssignors, type AssignorName } from './assignor-option.js'

const assignorList = instance<readonly (AssignorName | Assignor)[]>(
  `a list of ${Object.keys(ASSIGNORS).join(', ')} or assignors`,
  isListOfAssignors,
)

export const MEMBER_OPTIONS = {
  groupId: optional(text),
  clientId: option(text, 'partlog'),
  groupInstanceId: optional(text),
  groupProtocol: option(oneOf('classic', 'consumer'), 'classic'),
  groupRemoteAssignor: optional(text),
  sessionTimeoutMs: option(integer(1, INT_MAX), 45_000),
  heartbeatIntervalMs: optional(integer(1, INT_MAX)),
  maxPollIntervalMs: option(integer(1, INT_MAX), 300_000),
  partitionAssignmentStrategy: option(assignorList, ['range', 'cooperative-sticky']),
  clientRack: optional(text),
  ...RETRY_OPTIONS,
} satisfies OptionTable

export type MemberSettings = OptionValues<typeof MEMBER_OPTIONS>

/** Kafka's heartbeat.interval.ms. */
const HEARTBEAT_INTERVAL_MS = 3_000

/** The heartbeat interval: at most a third of the session timeout. Throws INVALID_CONFIG. */
export function heartbeatIntervalOf(settings: MemberSettings): number {
  const { sessionTimeoutMs, heartbeatIntervalMs } = settings
  const longestMs = Math.max(Math.floor(sessionTimeoutMs / 3), 1)
  const intervalMs = heartbeatIntervalMs ?? Math.min(HEARTBEAT_INTERVAL_MS, longestMs)
  if (intervalMs <= longestMs) return intervalMs
  throw new PartlogError(
    'INVALID_CONFIG',
    `heartbeatIntervalMs: ${intervalMs} is more than a third of sessionTimeoutMs ` +
      `(${sessionTimeoutMs}): one lost heartbeat would look like a dead member`,
  )
}

/**
 * A heartbeat may be held for the whole interval, in peace for several: as many as fit into a third
 * of the session, but not beyond the first at which the application may be too slow.
 */
export function heartbeatWaits(settings: MemberSettings, untilTooSlowMs: number) {
  const maxWaitMs = heartbeatIntervalOf(settings)
  const inSession = Math.floor(settings.sessionTimeoutMs / 3 / maxWaitMs)
  const untilTooSlow = Math.floor(untilTooSlowMs / maxWaitMs) + 1
  return { maxWaitMs, idleWaitMs: maxWaitMs * Math.min(inSession, untilTooSlow) }
}
