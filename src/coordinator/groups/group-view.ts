/* A group as the admin API describes it. */

import { NO_BYTES } from '../../base/bytes.js'
import type { GroupState } from './group-states.js'
import type { Membership } from './membership.js'

export interface GroupView {
  readonly groupId: string
  readonly state: GroupState
  readonly protocolType: string
  /** The name of the assignor. */
  readonly protocolName: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    readonly metadata: Uint8Array
    readonly assignment: Uint8Array
  }[]
}


/** Shows the members' metadata only of a stable group: in other states it is about to change. */
export function viewOf(groupId: string, membership: Membership | undefined): GroupView {
  if (membership === undefined) {
    return { groupId, state: 'Empty', protocolType: '', protocolName: '', members: [] }
  }
  const { state, protocolType, protocolName, members } = membership
  const isStable = state === 'Stable'
  return {
    groupId,
    state,
    protocolType: protocolType ?? '',
    protocolName: isStable ? (protocolName ?? '') : '',
    members: [...members].map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      metadata: isStable ? member.metadataFor(protocolName) : NO_BYTES,
      assignment: member.assignment,
    })),
  }
}
