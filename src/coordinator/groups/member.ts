/** One member of a group, as its coordinator knows it. */

import { NO_BYTES } from '../../base/bytes.js'
import type { Timer } from '../../base/clock.js'
import { PartlogError } from '../../model/errors.js'

/** An assignor a member could live with, and what it says to it. */
export interface MemberProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

export interface JoinRequest {
  /** Empty for one who is new. */
  readonly memberId: string
  /** group.instance.id: names a static member, which comes back as the same one. */
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** One who is new is sent away once, to come back with the id it is given (KIP-394). */
  readonly requiresMemberId: boolean
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly MemberProtocol[]
  /** Why it joins (again), for people (KIP-800). */
  readonly reason?: string
}

export interface JoinAnswer {
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly memberId: string
  /** It leads, but nothing has changed: the assignment there is stays (KIP-814). */
  readonly skipAssignment: boolean
  /** For the leader, who assigns: what everybody says. */
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
  /** The leader's; empty from everybody else. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}

export type MemberName = Pick<SyncRequest, 'memberId' | 'groupInstanceId'>
export type MemberInGeneration = MemberName & Pick<SyncRequest, 'generationId'>
export type LeavingMember = MemberName & { readonly reason: string }

/** Kafka writes where a connection comes from as `host/address`; inside the process is no host. */
export function livesInProcess({ clientHost }: Pick<JoinRequest, 'clientHost'>): boolean {
  return !clientHost.includes('/')
}

/** Somebody whose answer has to wait. */
export interface Parked<T> {
  resolve(answer: T): void
  reject(error: PartlogError): void
}

/** Sent away with an id, to come back with it. */
export class MemberIdRequired extends PartlogError {
  constructor(readonly memberId: string) {
    super('MEMBER_ID_REQUIRED', `join again as ${memberId}`)
  }
}

/** What a member may say anew when it joins again. */
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
  /** It has joined, and waits for the others. */
  joining: Parked<JoinAnswer> | undefined
  /** It waits for what the leader assigns. */
  syncing: Parked<SyncAnswer> | undefined
  /** It owes a SyncGroup for this generation. */
  owesSync = false
  /** It has not been through a rebalance yet. */
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

  /** Only through {@link Membership}, which counts protocols. */
  update(claims: MemberClaims): void {
    this.clientId = claims.clientId
    this.clientHost = claims.clientHost
    this.sessionTimeoutMs = claims.sessionTimeoutMs
    this.rebalanceTimeoutMs = claims.rebalanceTimeoutMs
    this.protocols = claims.protocols
  }

  /** Has it said exactly this before? */
  says(protocols: readonly MemberProtocol[]): boolean {
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

  /** Whatever it waits for will not come. */
  fail(error: PartlogError): void {
    const parked = this.joining
    this.joining = undefined
    parked?.reject(error)
    this.failSync(error)
  }

  forget(): void {
    this.assignment = NO_BYTES
  }
}
