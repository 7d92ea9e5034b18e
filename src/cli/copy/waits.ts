/*
 * Tells the user what a command waits for while it writes: a full disk, a broker that does not
 * answer. The user can free room meanwhile, and learns how long the command will wait.
 */

import type { Logger } from '../../base/logger.js'
import type { OpenOptions } from '../../cluster/cluster-options.js'
import { Cluster } from '../../cluster/cluster.js'
import { truncationWarnings } from '../../cluster/recovery-report.js'
import { isDiskError } from '../../disk/disk.js'
import type { Output } from '../terminal/output.js'

const nothing = (): void => undefined
const quiet: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** Errors of a full disk: the command continues when there is room again. */
const NO_ROOM = /: (ENOSPC|EDQUOT|EFBIG) \(/

/** Prints what the clients of a command retry, once per fault. */
export function retryNotes(output: Output): Logger {
  const warn: Logger['warn'] = (sentence, fields = {}) => {
    if (!('retriedForMs' in fields)) return
    const hint = NO_ROOM.test(sentence) ? '; it continues as soon as there is room' : ''
    tell(output, `waiting: ${sentence}${hint}`)
  }
  return { ...quiet, warn }
}

/** Prints disk errors, once per fault: a server keeps running while it retries. */
export function faultNotes(output: Output): Logger {
  const warn: Logger['warn'] = (sentence, { error } = {}) => {
    if (!isDiskError(error)) return
    tell(output, `${sentence}: ${error.message}; writing continues as soon as the disk allows it`)
  }
  const failed: Logger['error'] = (sentence, { error } = {}) => {
    tell(output, error instanceof Error ? `${sentence}: ${error.message}` : sentence)
  }
  return { ...quiet, warn, error: failed }
}

/** Opens a cluster to write to it; prints what recovery cut off, and what the cluster waits for. */
export async function openToWrite(
  options: OpenOptions,
  output: Output,
  logger = retryNotes(output),
): Promise<Cluster> {
  const cluster = await Cluster.open({ ...options, logger })
  for (const cut of truncationWarnings(cluster.recovery)) tell(output, cut)
  return cluster
}

/** Prints a line, and removes a progress bar before it. */
function tell(output: Output, sentence: string): void {
  if (output.isWatched) output.stderr.write('\r\u001b[K')
  output.note(`partlog: ${sentence}`)
}
