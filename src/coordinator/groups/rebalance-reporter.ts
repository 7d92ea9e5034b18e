/* Collects what changes from one generation of a group to the next, and reports it. */

import type { Clock } from '../../base/clock.js'
import type { TopicPartition } from '../../model/names.js'
import {
  CONSUMER_PROTOCOL,
  decodeAssignment,
  decodeSubscribedTopics,
} from '../../protocol/messages/consumer-protocol.js'
import type { Member } from './member.js'
import type { Membership } from './membership.js'

/** The names of one member of a group. */
export interface GroupMemberName {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
}

/** A rebalance is over. */
export interface RebalanceEvent {
  readonly groupId: string
  /** The generation that has begun. */
  readonly generationId: number
  /** Why the rebalance began. */
  readonly reason: string
  readonly joined: readonly GroupMemberName[]
  /** Members that left the group, or whose process has ended. */
  readonly left: readonly GroupMemberName[]
  /** Members removed because of a timeout. */
  readonly timedOut: readonly GroupMemberName[]
  /** All members of the new generation, with the partitions of each before and after. */
  readonly members: readonly (GroupMemberName & {
    readonly before: readonly TopicPartition[]
    readonly after: readonly TopicPartition[]
  })[]
  /** From the beginning of the rebalance until the assignments are known. Milliseconds. */
  readonly durationMs: number
}

/** Two members of one group whose topics are unrelated: no member reads topics of both. */
export interface SharedGroupEvent {
  readonly groupId: string
  readonly members: readonly (GroupMemberName & { readonly topics: readonly string[] })[]
  /** Why they seem to be different services. */
  readonly reason: string
}

export interface GroupListener {
  rebalanced(event: RebalanceEvent): void
  shared(event: SharedGroupEvent): void
  /** The visible state of a group has changed: members, state, offsets. */
  changed(): void
  failed(sentence: string, error: unknown): void
}

export class RebalanceReporter {
  readonly #membership: Membership
  readonly #listener: GroupListener
  readonly #clock: Clock
  #since: number | undefined
  #reason = ''
  readonly #joined = new Set<Member>()
  readonly #left = new Set<Member>()
  readonly #timedOut = new Set<Member>()
  #before = new Map<Member, Uint8Array>()
  #lastUnrelated = ''

  constructor(membership: Membership, listener: GroupListener, clock: Clock) {
    this.#membership = membership
    this.#listener = listener
    this.#clock = clock
    this.#rememberAssignments()
  }

  joined(member: Member): void {
    this.#joined.add(member)
    this.#listener.changed()
  }

  left(member: Member): void {
    this.#gone(member, this.#left)
  }

  timedOut(member: Member): void {
    this.#gone(member, this.#timedOut)
  }

  #gone(member: Member, list: Set<Member>): void {
    this.#before.delete(member)
    if (!this.#joined.delete(member)) list.add(member)
    this.#listener.changed()
  }

  /** Keeps the first reason: a second one during a rebalance belongs to the same rebalance. */
  begins(reason: string): void {
    if (this.#since === undefined) {
      this.#since = this.#clock.monotonicMs()
      this.#reason = reason
    }
    this.#listener.changed()
  }

  ends(): void {
    const since = this.#since ?? this.#clock.monotonicMs()
    const event: RebalanceEvent = {
      groupId: this.#membership.groupId,
      generationId: this.#membership.generation,
      reason: this.#reason,
      joined: [...this.#joined].map(nameOf),
      left: [...this.#left].map(nameOf),
      timedOut: [...this.#timedOut].map(nameOf),
      members: [...this.#membership.members].map(member => ({
        ...nameOf(member),
        before: this.#partitionsIn(this.#before.get(member)),
        after: this.#partitionsIn(member.assignment),
      })),
      durationMs: this.#clock.monotonicMs() - since,
    }
    for (const names of [this.#joined, this.#left, this.#timedOut]) names.clear()
    this.#since = undefined
    this.#rememberAssignments()
    this.#listener.rebalanced(event)
    this.#listener.changed()
    this.#reportUnrelated()
  }

  #rememberAssignments(): void {
    this.#before = new Map([...this.#membership.members].map(each => [each, each.assignment]))
  }

  #reportUnrelated(): void {
    const event = unrelatedReaders(this.#membership)
    const key = event === undefined ? '' : event.members.map(({ clientId }) => clientId).join()
    if (event !== undefined && key !== this.#lastUnrelated) this.#listener.shared(event)
    this.#lastUnrelated = key
  }

  /** The assignments of other protocols than the consumers' cannot be decoded here. */
  #partitionsIn(assignment: Uint8Array | undefined): readonly TopicPartition[] {
    if (assignment === undefined || this.#membership.protocolType !== CONSUMER_PROTOCOL) return []
    return readOrUndefined(() => decodeAssignment(assignment).partitions) ?? []
  }
}

function nameOf({ memberId, groupInstanceId, clientId }: Member): GroupMemberName {
  return { memberId, groupInstanceId, clientId }
}

/**
 * Finds two services that share a group id by mistake: their names differ and their topics are
 * unrelated. One sign alone proves nothing: copies of one service may have any names (of hosts,
 * processes, pods), and a service changes its topics member by member.
 */
function unrelatedReaders({ groupId, members, protocolName, protocolType }: Membership) {
  if (protocolType !== CONSUMER_PROTOCOL) return undefined
  const readers = [...members].flatMap(member => {
    const bytes = member.metadataFor(protocolName)
    const topics = readOrUndefined(() => decodeSubscribedTopics(bytes)) ?? []
    return topics.length === 0 ? [] : { ...nameOf(member), topics: [...topics].sort() }
  })
  const [first] = readers
  if (first === undefined) return undefined
  const related = topicsRelatedTo(first.topics, readers)
  const service = serviceOf(first.clientId)
  const other = readers.find(
    ({ topics, clientId }) => !related.has(topics[0] as string) && serviceOf(clientId) !== service,
  )
  if (other === undefined) return undefined
  const [one, two] = [first, other].map(({ topics }) => topics.slice(0, NAMED_MAX).join(', '))
  const pair = `clients "${first.clientId}" and "${other.clientId}"`
  const reason = `${pair} read topics that no member reads together: ${one} and ${two}`
  return { groupId, members: [first, other], reason }
}

/** The most topics named of each member. */
const NAMED_MAX = 3

/** These topics, all other topics of their readers, and so on. */
function topicsRelatedTo(
  topics: readonly string[],
  readers: readonly { readonly topics: readonly string[] }[],
): ReadonlySet<string> {
  const readersOf = new Map<string, (typeof readers)[number][]>()
  for (const reader of readers) {
    for (const topic of reader.topics) {
      const known = readersOf.get(topic)
      if (known === undefined) readersOf.set(topic, [reader])
      else known.push(reader)
    }
  }
  const related = new Set(topics)
  // The loop also visits topics that are added to the set meanwhile.
  for (const topic of related) {
    for (const reader of readersOf.get(topic) ?? []) {
      for (const each of reader.topics) related.add(each)
    }
    readersOf.delete(topic) // its readers are done
  }
  return related
}

/**
 * The end of a client id that distinguishes the copies of a service: a number, a letter, a
 * hexadecimal id, or the random suffix of a Kubernetes pod, which has no vowels.
 */
const COPY = /[-_.#:@](\d+|[a-z]|[0-9a-f]{4,}|[bcdfghjklmnpqrstvwxz0-9]{5,})$|\d+$/i
/** Of longer names only the beginning is compared. */
const NAME_LENGTH_MAX = 255

/** The client id without the suffixes that distinguish copies. */
function serviceOf(clientId: string): string {
  const name = clientId.slice(0, NAME_LENGTH_MAX)
  const service = name.replace(COPY, '')
  return service === name ? name : serviceOf(service)
}

function readOrUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
