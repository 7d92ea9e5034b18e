/*
 * Finds the errors, topics, partitions and groups in a message of any kind. The fields of a layout
 * have the types of this file, which carry a role; a walk over the layout finds the fields of a
 * role. Fault rules, doors and the tables of older versions read and change messages this way.
 */

import {
  inRole,
  int16,
  int32,
  int8,
  nullableString,
  required,
  since,
  string,
  unsent,
  until,
  uuid,
  type Role,
  type Type,
} from '../schema.js'

// ── types of fields ──────────────────────────────────────────────────────────────────────

/** The error code of the structure that contains the field. */
export const errorCode = inRole('error', int16)
/** The error message of the structure that contains the field. */
export const errorMessage = inRole('errorMessage', nullableString)
const unsentSentence = unsent<string | null>(null)
/** An error whose message is not sent on the wire; only clients in this process read it. */
export const failure = {
  errorCode,
  errorMessage: { ...unsentSentence, type: inRole('errorMessage', unsentSentence.type) },
}

export const topicName = inRole('topic', string)
export const nullableTopicName = inRole('topic', nullableString)
export const topicId = inRole('topicId', uuid)
/** How many versions name topics: up to `last`; later ones have ids (KIP-516). */
export function topicKeyUntil(last: number) {
  return {
    name: required(until(last, topicName, '')),
    /** Empty in versions with names. */
    topicId: since(last + 1, topicId, ''),
  } as const
}
export const partitionIndex = inRole('partition', int32)
export const groupId = inRole('group', string)
/** The key of a FindCoordinator request: a group id or a transactional id. */
export const coordinatorKey = inRole('coordinatorKey', string)
export const resourceType = inRole('resourceType', int8)
/** The id of a broker, next to its host and port. */
export const nodeId = inRole('node', int32)

// ── places ───────────────────────────────────────────────────────────────────────────────

/** A structure of any message: its fields by name. */
export type Row = Readonly<Record<string, unknown>>

/** The roles of the fields of a structure. */
export interface Places {
  /** The names of fields by their roles. */
  readonly fields: { readonly [R in Role]?: string }
  /** The structure with no content. */
  readonly none: Row
  /** The list of topics, partitions or groups in the structure, if it has one. */
  readonly list?: ListPlaces
}

export interface ListPlaces extends Places {
  /** The name of the list's field. */
  readonly name: string
  /** The role of the entries, if they are plain values and not structures. */
  readonly role?: Role
}

const NAMES: ReadonlySet<Role> = new Set<Role>(['topic', 'partition', 'group', 'coordinatorKey'])

/** The places in the newest version of a layout. */
export function placesOf({ fields = [], none }: Type<unknown>): Places {
  const list = fields.find(({ type, until }) => until === Infinity && isListOfNamed(type))
  const inRoles = fields.flatMap(({ name, type }) => (type.role ? [[type.role, name]] : []))
  return {
    // If two fields have the same role, the first one counts.
    fields: Object.fromEntries(inRoles.reverse()) as Places['fields'],
    none: none as Row,
    ...(list?.type.element && { list: listPlacesOf(list.name, list.type.element) }),
  }
}

function listPlacesOf(name: string, element: Type<unknown>): ListPlaces {
  if (element.role !== undefined) return { name, role: element.role, fields: {}, none: {} }
  return { name, ...placesOf(element) }
}

function isListOfNamed({ element }: Type<unknown>): boolean {
  const roles = [element?.role, ...(element?.fields ?? []).map(({ type }) => type.role)]
  return roles.some(role => role !== undefined && NAMES.has(role))
}

// ── changes ──────────────────────────────────────────────────────────────────────────────

/**
 * Returns the value with `change` applied to every structure in it that has a field in the role;
 * `field` is the name of that field. Only changed structures are copied: responses may hold a
 * thousand partitions.
 */
export function withChanged<T>(
  type: Type<T>,
  value: T,
  role: Role,
  change: (row: Row, field: string) => Row,
): T {
  if (value === null || value === undefined || type.roles?.has(role) !== true) return value
  const { element, fields = [] } = type
  if (element !== undefined) {
    const list = value as readonly unknown[]
    const changed = list.map(each => withChanged(element, each, role, change))
    return changed.every((each, index) => each === list[index]) ? value : (changed as T)
  }
  let row = value as Row
  for (const field of fields) {
    if (field.type.role === role) {
      row = change(row, field.name)
      continue
    }
    const given = row[field.name]
    const changed = withChanged(field.type, given, role, change)
    if (changed !== given) row = { ...row, [field.name]: changed }
  }
  return row as T
}
