/*
 * Puts the error of a fault into the answer of any API. If Kafka's answer has an error per
 * partition or topic, those that the fault selects fail, and the broker handles the rest of the
 * request. The layout of a message says where its topics, partitions and errors are; no code here
 * is for one API.
 */

import type { ErrorFields } from '../../broker/node/answer-errors.js'
import { errorOf, PartlogError } from '../../model/errors.js'
import { APIS, type ApiName, type Request, type Response } from '../../protocol/api.js'
import {
  placesOf,
  type ListPlaces,
  type Places,
  type Row,
} from '../../protocol/messages/message-places.js'
import type { Role } from '../../protocol/schema.js'

/** The topics and partitions that a fault selects; an omitted field matches all. */
export interface Target {
  readonly topic?: string | undefined
  /** The id of `topic`, if it exists: newer clients name topics by their ids (KIP-516). */
  readonly topicId?: string | undefined
  readonly partition?: number | undefined
}

/** The error for a target. */
interface Failing {
  readonly target: Target
  readonly error: ErrorFields
}

/** A request that fails in part: the rest for the broker, and how to merge the answers. */
export interface Split<A extends ApiName> {
  /** The rest for the broker; undefined if nothing is left. */
  readonly rest: Request<A> | undefined
  /** The complete answer, from the broker's answer to the rest. */
  answer(handled: Response<A> | undefined): Response<A>
}

/** How the requests of an API can fail. Messages of all APIs are treated as rows of fields. */
interface Shape {
  /** The smallest unit that a request names. */
  readonly naming: Naming
  concerns(request: Row, target: Target): boolean
  split(request: Row, failing: Failing): RowSplit
}

interface RowSplit {
  readonly rest: Row | undefined
  answer(handled: Row | undefined): Row
}

type Naming = 'nothing' | 'topics' | 'partitions'

/** What requests of this API name. */
export function namingOf(api: ApiName): Naming {
  return SHAPES[api].naming
}

/** True if the request names a part of the target; a target without fields matches all. */
export function concerns<A extends ApiName>(api: A, request: Request<A>, target: Target): boolean {
  if (target.topic === undefined && target.partition === undefined) return true
  return SHAPES[api].concerns(request as Row, target)
}

/**
 * Removes the failing parts from a request. `answer` throws the error if the request names nothing
 * whose answer could have it.
 */
export function splitRequest<A extends ApiName>(
  api: A,
  request: Request<A>,
  failing: Failing,
): Split<A> {
  return SHAPES[api].split(request as Row, failing) as unknown as Split<A>
}

// ── entries of lists ─────────────────────────────────────────────────────────────────────

/** The values of an entry and of the entry that contains it, by role. */
type Said = { readonly [R in Role]?: unknown }

/** A list of a request, and the list of the answers to it. */
interface Lists {
  readonly asked: ListPlaces
  readonly answered: ListPlaces
  /** The lists within each entry, if there are any: the errors belong to their entries. */
  readonly parts?: Lists
}

function listsOf(asked: Places, answered: Places): Lists | undefined {
  if (asked.list === undefined || answered.list === undefined) return undefined
  const parts = listsOf(asked.list, answered.list)
  return { asked: asked.list, answered: answered.list, ...(parts && { parts }) }
}

const entriesOf = (row: Row | undefined, { name }: ListPlaces): readonly Row[] =>
  (row?.[name] ?? []) as readonly Row[]

function saidBy({ role: own, fields }: ListPlaces, entry: unknown): Said {
  if (own !== undefined) return { [own]: entry }
  const said = Object.entries(fields).map(([role, name]) => [role, (entry as Row)[name]])
  return Object.fromEntries(said) as Said
}

/** The fields of a structure for these values. */
function fieldsFor({ fields }: Places, said: Said): Row {
  const known = Object.entries(fields).map(([role, name]) => [name, said[role as Role]])
  return Object.fromEntries(known.filter(([, value]) => value !== undefined)) as Row
}

/** An entry with an error and what it is about; all other fields have their defaults. */
function failed(places: Places, said: Said, { errorCode, errorMessage }: ErrorFields): Row {
  return { ...places.none, ...fieldsFor(places, { ...said, error: errorCode, errorMessage }) }
}

/** The values of all innermost entries of a request. */
function leavesOf({ asked, parts }: Lists, request: Row): Said[] {
  return entriesOf(request, asked).flatMap(entry => {
    const said = saidBy(asked, entry)
    if (parts === undefined) return [said]
    return leavesOf(parts, entry).map(part => ({ ...said, ...part }))
  })
}

/** Topics are matched by name, or by id if they have no name. */
const isNamed = ({ topic }: Said): boolean =>
  topic !== undefined && topic !== null && topic !== ''

function isHit(target: Target, said: Said): boolean {
  if (target.topic !== undefined && !isAboutTopic(target, said)) return false
  return target.partition === undefined || target.partition === said.partition
}

function isAboutTopic({ topic, topicId }: Target, said: Said): boolean {
  if (isNamed(said)) return topic === said.topic
  return topicId !== undefined && topicId === said.topicId
}

function isAnswerTo(asked: Said, answered: Said): boolean {
  if (answered.partition !== undefined) return asked.partition === answered.partition
  return isNamed(asked) ? asked.topic === answered.topic : asked.topicId === answered.topicId
}

/** The request without its failing parts and without entries that are empty then. */
function without(lists: Lists, request: Row, target: Target, around: Said = {}): Row {
  const { asked, parts } = lists
  const kept = entriesOf(request, asked).flatMap(entry => {
    const said = { ...around, ...saidBy(asked, entry) }
    if (parts === undefined) return isHit(target, said) ? [] : [entry]
    const rest = without(parts, entry, target, said)
    return entriesOf(rest, parts.asked).length === 0 ? [] : [rest]
  })
  return { ...request, [asked.name]: kept }
}

/** The answers to all entries, in the order of the request. */
function answersTo(
  lists: Lists,
  asked: Row,
  handled: Row | undefined,
  { target, error, around = {} }: Failing & { readonly around?: Said },
): Row[] {
  const { answered, parts } = lists
  return entriesOf(asked, lists.asked).flatMap(entry => {
    const said = { ...around, ...saidBy(lists.asked, entry) }
    const given = entriesOf(handled, answered).filter(each =>
      isAnswerTo(said, saidBy(answered, each)),
    )
    if (parts === undefined) return isHit(target, said) ? [failed(answered, said, error)] : given
    const answers = answersTo(parts, entry, given[0], { target, error, around: said })
    return [{ ...fieldsFor(answered, said), ...given[0], [parts.answered.name]: answers }]
  })
}

// ── kinds of requests ────────────────────────────────────────────────────────────────────

/** Requests with an answer for each topic, or each partition, that they name. */
function perTarget(lists: Lists, response: Places): Shape {
  const { asked, answered, parts } = lists
  // If the answer has more fields than the list, only the broker can fill them.
  const isAlwaysHandled = Object.keys(response.none).length > 1
  const isAll = (request: Row): boolean => request[asked.name] === null
  return {
    naming: parts === undefined ? 'topics' : 'partitions',
    concerns: (request, target) =>
      isAll(request) || leavesOf(lists, request).some(said => isHit(target, said)),
    split(request, failing) {
      const { target, error } = failing
      const isEmpty = leavesOf(lists, request).length === 0
      const rest = isAll(request) ? request : without(lists, request, target)
      const isHandled = isAlwaysHandled || entriesOf(rest, asked).length > 0
      return {
        rest: isHandled ? atOnce(rest) : undefined,
        answer(handled) {
          if (isAll(request)) return { ...handled, [answered.name]: spoilt(handled, failing) }
          if (isEmpty) throw nothingToFail(error)
          return { ...handled, [answered.name]: answersTo(lists, request, handled, failing) }
        },
      }
    },
  }

  function spoilt(handled: Row | undefined, { target, error }: Failing): Row[] {
    return entriesOf(handled, answered).map(entry => {
      const said = saidBy(answered, entry)
      return isHit(target, said) ? { ...entry, ...failed(answered, said, error) } : entry
    })
  }
}

/** An error is answered at once, so the rest must not wait. */
function atOnce(request: Row): Row {
  return 'maxWaitMs' in request ? { ...request, maxWaitMs: 0 } : request
}

function nothingToFail({ errorCode, errorMessage }: ErrorFields): PartlogError {
  return new PartlogError(errorOf(errorCode), errorMessage ?? 'the request failed')
}

/** Requests that fail as a whole: with one error, or with the same error for each entry. */
function whole(lists: Lists | undefined, response: Places): Shape {
  return {
    naming: 'nothing',
    concerns: () => false,
    split: (request, { error }) => ({
      rest: undefined,
      answer() {
        const answer = failed(response, {}, error)
        if (response.fields.error !== undefined) return answer
        if (lists === undefined) throw nothingToFail(error)
        const entries = entriesOf(request, lists.asked).map(entry =>
          failed(lists.answered, saidBy(lists.asked, entry), error),
        )
        return { ...answer, [lists.answered.name]: entries }
      },
    }),
  }
}

function shapeOf(api: ApiName): Shape {
  const asked = placesOf(APIS[api].request.type)
  const answered = placesOf(APIS[api].response.type)
  const lists = listsOf(asked, answered)
  const isWhole = answered.fields.error !== undefined || lists?.asked.fields.topic === undefined
  return isWhole || lists === undefined ? whole(lists, answered) : perTarget(lists, answered)
}

const SHAPES = Object.fromEntries(
  (Object.keys(APIS) as ApiName[]).map(api => [api, shapeOf(api)]),
) as Readonly<Record<ApiName, Shape>>
