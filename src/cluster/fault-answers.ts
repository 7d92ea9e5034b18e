/**
 * What an error looks like in the answer to each request: where Kafka has an error per partition or
 * topic, those that a fault names fail and the rest of the request is handled as ever. Where a
 * message has its topics, partitions and errors is said by its layout; nothing here is about one
 * API alone.
 */

import type { ErrorFields } from '../broker/node/answer-errors.js'
import { errorOf, PartlogError } from '../model/errors.js'
import { APIS, type ApiName, type Request, type Response } from '../protocol/api.js'
import { placesOf, type ListPlaces, type Places, type Row } from '../protocol/message-places.js'
import type { Role } from '../protocol/schema.js'

/** The topics and partitions a fault is about; what is left out stands for all. */
export interface Target {
  readonly topic?: string | undefined
  readonly partition?: number | undefined
}

/** What happens to a target. */
interface Failing {
  readonly target: Target
  readonly error: ErrorFields
}

/** A request of which some fails: what is left of it, and how the answers come together again. */
export interface Split<A extends ApiName> {
  /** For the broker; undefined when nothing is left to be handled. */
  readonly rest: Request<A> | undefined
  /** The whole answer, out of the broker's answer to the rest. */
  answer(handled: Response<A> | undefined): Response<A>
}

/** A request, and how it can fail. Messages are rows of fields here, whatever their API. */
interface Shape {
  /** The finest thing it names. */
  readonly naming: Naming
  concerns(request: Row, target: Target): boolean
  split(request: Row, failing: Failing): RowSplit
}

interface RowSplit {
  readonly rest: Row | undefined
  answer(handled: Row | undefined): Row
}

type Naming = 'nothing' | 'topics' | 'partitions'

/** What a request of this kind can be told by. */
export function namingOf(api: ApiName): Naming {
  return SHAPES[api].naming
}

/** Does the request name anything of the target? One without topic and partition is everything. */
export function concerns<A extends ApiName>(api: A, request: Request<A>, target: Target): boolean {
  if (target.topic === undefined && target.partition === undefined) return true
  return SHAPES[api].concerns(request as Row, target)
}

/**
 * Takes what shall fail out of a request. Its `answer` throws the error when the request names
 * nothing that could carry it.
 */
export function splitRequest<A extends ApiName>(
  api: A,
  request: Request<A>,
  failing: Failing,
): Split<A> {
  return SHAPES[api].split(request as Row, failing) as unknown as Split<A>
}

// ── entries of lists ─────────────────────────────────────────────────────────────────────

/** What an entry says, and the one around it, by role. */
type Said = { readonly [R in Role]?: unknown }

/** A list of a request, and the list of the answers to it. */
interface Lists {
  readonly asked: ListPlaces
  readonly answered: ListPlaces
  /** Where each entry has a list itself: errors are for entries of that. */
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

/** The fields of a structure that say this. */
function fieldsFor({ fields }: Places, said: Said): Row {
  const known = Object.entries(fields).map(([role, name]) => [name, said[role as Role]])
  return Object.fromEntries(known.filter(([, value]) => value !== undefined)) as Row
}

/** What says nothing but an error, and what it is about. */
function failed(places: Places, said: Said, { errorCode, errorMessage }: ErrorFields): Row {
  return { ...places.none, ...fieldsFor(places, { ...said, error: errorCode, errorMessage }) }
}

/** What is asked for one by one. */
function leavesOf({ asked, parts }: Lists, request: Row): Said[] {
  return entriesOf(request, asked).flatMap(entry => {
    const said = saidBy(asked, entry)
    if (parts === undefined) return [said]
    return leavesOf(parts, entry).map(part => ({ ...said, ...part }))
  })
}

function isHit(target: Target, { topic, partition }: Said): boolean {
  if (target.topic !== undefined && target.topic !== topic) return false
  return target.partition === undefined || target.partition === partition
}

/** Topics go by name, or by id where they have no name. */
function isAnswerTo(asked: Said, answered: Said): boolean {
  if (answered.partition !== undefined) return asked.partition === answered.partition
  const isNamed = asked.topic !== null && asked.topic !== ''
  return isNamed ? asked.topic === answered.topic : asked.topicId === answered.topicId
}

/** The request without what fails, its empty entries left out. */
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

/** The answers to all that was asked, in the order in which it was asked. */
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
  // An answer that says more than what was asked for: only the broker can give it.
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

/** An error is answered at once: nobody waits for what there may be besides. */
function atOnce(request: Row): Row {
  return 'maxWaitMs' in request ? { ...request, maxWaitMs: 0 } : request
}

function nothingToFail({ errorCode, errorMessage }: ErrorFields): PartlogError {
  return new PartlogError(errorOf(errorCode), errorMessage ?? 'the request failed')
}

/** Requests that fail as a whole: with one error, or with the same for each name. */
function whole(lists: Lists | undefined, response: Places): Shape {
  return {
    naming: 'nothing',
    concerns: () => false,
    split: (request, { error }) => ({
      rest: undefined,
      answer() {
        const answer = failed(response, {}, error)
        if (lists === undefined || response.fields.error !== undefined) return answer
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
