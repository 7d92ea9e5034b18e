/*
 * One member of a group, as its coordinator sees it. The states of a member, as the member itself
 * sees them, are in client/group/member-states.ts.
 */

import { NO_BYTES } from '../../base/bytes.js'
import type { Timer } from '../../base/clock.js'
import { PartlogError } from '../../model/errors.js'

/** An assignor that a member supports, and the member's metadata for it. */
export interface MemberProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

export interface JoinRequest {
  /** Empty for a new member. */
  readonly memberId: string
  /** group.instance.id of a static member: it stays the same member when it restarts. */
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** A new member gets a member id first and has to join again with it (KIP-394). */
  readonly requiresMemberId: boolean
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly MemberProtocol[]
  /** Why the member joins or rejoins, for people (KIP-800). */
  readonly reason?: string
}

export interface JoinAnswer {
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly memberId: string
  /** The member leads but nothing has changed: the current assignment stays (KIP-814). */
  readonly skipAssignment: boolean
  /** For the leader, which assigns: the metadata of all members. Empty for other members. */
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly metadata: Uint8Array
  }[]
}

export interface SyncAnswer {
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Uint8Array
}

export interface SyncRequest {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  /** The leader's assignments; empty from other members. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}

export type MemberName = Pick<SyncRequest, 'memberId' | 'groupInstanceId'>
export type MemberInGeneration = MemberName & Pick<SyncRequest, 'generationId'>
export type LeavingMember = MemberName & { readonly reason: string }

/** Kafka writes the host of a connection as `host/address`; a channel in the process has none. */
export function livesInProcess({ clientHost }: Pick<JoinRequest, 'clientHost'>): boolean {
  return !clientHost.includes('/')
}

/** A request whose answer has to wait. */
export interface Parked<T> {
  resolve(answer: T): void
  reject(error: PartlogError): void
}

/** A new member has to join again with the member id in this error. */
export class MemberIdRequired extends PartlogError {
  constructor(readonly memberId: string) {
    super('MEMBER_ID_REQUIRED', `join again with member id ${memberId}`)
  }
}

/** What a member may change when it joins again. */
export type MemberClaims = Pick<
  JoinRequest,
  'clientId' | 'clientHost' | 'sessionTimeoutMs' | 'rebalanceTimeoutMs' | 'protocols'
>
export type MemberTraits = MemberClaims & MemberName


export class Member {
  memberId: string
  readonly groupInstanceId: string | null
  clientId: string
  clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocols: readonly MemberProtocol[]
  assignment: Uint8Array = NO_BYTES
  /** The member has joined and waits for the others. */
  joining: Parked<JoinAnswer> | undefined
  /** The member waits for the leader's assignment. */
  syncing: Parked<SyncAnswer> | undefined
  /** The member has not sent a SyncGroup for this generation yet. */
  owesSync = false
  /** The member has not completed a rebalance yet. */
  isNew = true
  expiry: Timer | undefined
  expiresAtMs = 0

  constructor(traits: MemberTraits) {
    this.memberId = traits.memberId
    this.groupInstanceId = traits.groupInstanceId
    this.clientId = traits.clientId
    this.clientHost = traits.clientHost
    this.sessionTimeoutMs = traits.sessionTimeoutMs
    this.rebalanceTimeoutMs = traits.rebalanceTimeoutMs
    this.protocols = traits.protocols
  }

  /** Called only by {@link Membership}, which counts protocols. */
  update(claims: MemberClaims): void {
    this.clientId = claims.clientId
    this.clientHost = claims.clientHost
    this.sessionTimeoutMs = claims.sessionTimeoutMs
    this.rebalanceTimeoutMs = claims.rebalanceTimeoutMs
    this.protocols = claims.protocols
  }

  /** True if the member already has exactly these protocols. */
  hasProtocols(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every(({ name, metadata }, index) => {
        const own = this.protocols[index] as MemberProtocol
        return name === own.name && Buffer.compare(metadata, own.metadata) === 0
      })
    )
  }

  metadataFor(protocolName: string | null): Uint8Array {
    return this.protocols.find(({ name }) => name === protocolName)?.metadata ?? NO_BYTES
  }

  answerJoin(answer: JoinAnswer): void {
    const parked = this.joining
    this.joining = undefined
    parked?.resolve(answer)
  }

  answerSync(answer: SyncAnswer): void {
    const parked = this.syncing
    this.syncing = undefined
    parked?.resolve(answer)
  }

  failSync(error: PartlogError): void {
    const parked = this.syncing
    this.syncing = undefined
    parked?.reject(error)
  }

  /** Fails the requests for whose answers the member waits. */
  fail(error: PartlogError): void {
    const parked = this.joining
    this.joining = undefined
    parked?.reject(error)
    this.failSync(error)
  }

  clearAssignment(): void {
    this.assignment = NO_BYTES
  }
}
