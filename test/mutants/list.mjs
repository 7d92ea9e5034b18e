/**
 * All mutants. An entry says
 *
 *   name        the bug
 *   file        where, in src
 *   from, to    the text that is replaced, which stands there once; and by what
 *   by          the tests that should catch it, in test, as narrow as possible
 *   equivalent  why it changes nothing that matters: it is not run
 *   unseen      why the search by seed cannot see it
 */

import { codecs } from './codecs.mjs'
import { compaction } from './compaction.mjs'
import { consumer } from './consumer.mjs'
import { disk } from './disk.mjs'
import { events } from './events.mjs'
import { files } from './files.mjs'
import { follow } from './follow.mjs'
import { groups } from './groups.mjs'
import { member } from './member.mjs'
import { metadata } from './metadata.mjs'
import { partition } from './partition.mjs'
import { producer } from './producer.mjs'
import { protocol } from './protocol.mjs'
import { recovery } from './recovery.mjs'
import { replication } from './replication.mjs'
import { requests } from './requests.mjs'
import { store } from './store.mjs'
import { transactions } from './transactions.mjs'

const ROOMS = {
  codecs,
  disk,
  events,
  files,
  store,
  recovery,
  compaction,
  partition,
  replication,
  requests,
  transactions,
  metadata,
  groups,
  producer,
  consumer,
  member,
  protocol,
  follow,
}

/** The search has a disk and a network of its own, speaks no formats but partlog's, reads no files. */
const UNSEEN_ROOMS = ['disk', 'events', 'follow']
export const SEEN_BY_SEARCH = new Set(Object.keys(ROOMS).filter(room => !UNSEEN_ROOMS.includes(room)))

export const MUTANTS = Object.entries(ROOMS).flatMap(([room, mutants]) =>
  mutants.map(mutant => ({ room, ...mutant })),
)
