/*
 * The sticky assignors: balanced assignments that move few partitions. `sticky` is for members that
 * revoke all partitions before they join: a partition that moves is assigned at once.
 * `cooperative-sticky` is for members that continue to read: a partition that moves is left out,
 * its owner revokes it, and the next rebalance assigns it.
 *
 * If racks matter and members subscribe to different topics, a group may in rare cases never
 * settle: partitions in the wrong rack are revoked in every rebalance and may find no better
 * member. Kafka does the same.
 */

import type { Assignment, AssignmentInput, Assignor } from './assignor.js'
import { shareEqually, type Shares } from './sticky-equal.js'
import { Racks, StickyInput, type ReadOwned } from './sticky-input.js'
import { shareUnequally } from './sticky-unequal.js'
import {
  decodeCooperativeUserData,
  decodeStickyUserData,
  encodeCooperativeUserData,
  encodeStickyUserData,
  UNKNOWN_GENERATION,
} from './sticky-user-data.js'

export const stickyAssignor: Assignor = {
  name: 'sticky',
  protocol: 'eager',
  assign(input) {
    return decide(
      input,
      ({ userData }) => decodeStickyUserData(userData),
      ({ shares }) => shares,
    )
  },
  userData(partitions, generationId) {
    const isNew = partitions.length === 0 && generationId === UNKNOWN_GENERATION
    return isNew ? undefined : encodeStickyUserData({ partitions, generationId })
  },
}

export const cooperativeStickyAssignor: Assignor = {
  name: 'cooperative-sticky',
  protocol: 'cooperative',
  assign(input) {
    return decide(input, ownedInSubscription, ({ shares, moving }) =>
      shares.map(share => share.filter(partition => !moving.has(partition))),
    )
  },
  userData: (_, generationId) => encodeCooperativeUserData(generationId),
}

/** A subscription of version 1 has no generation: its user data contains it. */
const ownedInSubscription: ReadOwned = ({ ownedPartitions, generationId, userData }) => ({
  partitions: ownedPartitions,
  generationId: generationId >= 0 ? generationId : decodeCooperativeUserData(userData),
})

function decide(
  input: AssignmentInput,
  readOwned: ReadOwned,
  choose: (decided: Shares) => readonly (readonly number[])[],
): Assignment {
  const sticky = new StickyInput(input, readOwned)
  const share = sticky.isEqual ? shareEqually : shareUnequally
  return sticky.toAssignment(choose(share(sticky, new Racks(input, sticky))))
}
