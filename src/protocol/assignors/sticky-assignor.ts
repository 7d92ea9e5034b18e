/**
 * The sticky assignors: shares as even as can be, and of all such shares those that move little.
 * `sticky` is for members that give everything back before they join: a partition that moves is
 * handed over at once. `cooperative-sticky` is for members that go on reading: a partition that
 * moves is left out, its owner gives it back, and the rebalance that follows hands it out.
 *
 * Where racks matter and members want different topics, a group may (seldom) not come to rest: what
 * is in the wrong rack is taken back every time, and may find no better place. So it is in Kafka.
 */

import type { Assignment, AssignmentInput, Assignor } from './assignor.js'
import { shareEqually, type Shares } from './sticky-equal.js'
import { Racks, StickyInput, type Remember } from './sticky-input.js'
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
    return decide(input, rememberOwned, ({ shares, moving }) =>
      shares.map(share => share.filter(partition => !moving.has(partition))),
    )
  },
  userData: (_, generationId) => encodeCooperativeUserData(generationId),
}

/** A subscription of version 1 has no generation: there it stands in the user data. */
const rememberOwned: Remember = ({ ownedPartitions, generationId, userData }) => ({
  partitions: ownedPartitions,
  generationId: generationId >= 0 ? generationId : decodeCooperativeUserData(userData),
})

function decide(
  input: AssignmentInput,
  remember: Remember,
  choose: (decided: Shares) => readonly (readonly number[])[],
): Assignment {
  const sticky = new StickyInput(input, remember)
  const share = sticky.isEqual ? shareEqually : shareUnequally
  return sticky.toAssignment(choose(share(sticky, new Racks(input, sticky))))
}
