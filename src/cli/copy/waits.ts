/**
 * What a command waits for while it writes: a disk without room, a broker that does not answer. A
 * person at the terminal can make room meanwhile, and is to know until when.
 */

import type { Logger } from '../../base/logger.js'
import type { OpenOptions } from '../../cluster/cluster-options.js'
import { Cluster } from '../../cluster/cluster.js'
import { truncationWarnings } from '../../cluster/recovery-report.js'
import { isDiskError } from '../../disk/disk.js'
import type { Output } from '../terminal/output.js'

const nothing = (): void => undefined
const quiet: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** Where room runs out: the words say that making some is enough. */
const NO_ROOM = /: (ENOSPC|EDQUOT|EFBIG) \(/

/** Tells what the clients of a command try again, once per fault. */
export function waitsTold(output: Output): Logger {
  const warn: Logger['warn'] = (sentence, fields = {}) => {
    if (!('retriedForMs' in fields)) return
    const hint = NO_ROOM.test(sentence) ? '; it goes on as soon as there is room' : ''
    tell(output, `waiting: ${sentence}${hint}`)
  }
  return { ...quiet, warn }
}

/** Tells what the disk refuses, once per fault, while others are served. */
export function faultsTold(output: Output): Logger {
  const warn: Logger['warn'] = (sentence, { error } = {}) => {
    if (!isDiskError(error)) return
    tell(output, `${sentence}: ${error.message}; writing goes on as soon as that is over`)
  }
  const failed: Logger['error'] = (sentence, { error } = {}) => {
    tell(output, error instanceof Error ? `${sentence}: ${error.message}` : sentence)
  }
  return { ...quiet, warn, error: failed }
}

/** Opens a cluster to write to it; what it waits for is told. */
export async function openToWrite(
  options: OpenOptions,
  output: Output,
  logger = waitsTold(output),
): Promise<Cluster> {
  const cluster = await Cluster.open({ ...options, logger })
  for (const cut of truncationWarnings(cluster.recovery)) tell(output, cut)
  return cluster
}

/** A line of its own, also where a bar is shown. */
function tell(output: Output, sentence: string): void {
  if (output.isWatched) output.stderr.write('\r\u001b[K')
  output.note(`partlog: ${sentence}`)
}
