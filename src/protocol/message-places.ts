/**
 * Where a message has its errors, topics, partitions and groups. A layout says it by the types of
 * its fields, which are those of this file; what is said there is found by walking the layout.
 * Fault rules, doors and tables of older versions read and change messages of every kind by it.
 */

import {
  inRole,
  int16,
  int32,
  int8,
  nullableString,
  string,
  unsent,
  uuid,
  type Role,
  type Type,
} from './schema.js'

// ── types of fields ──────────────────────────────────────────────────────────────────────

/** The error of the structure in which it stands. */
export const errorCode = inRole('error', int16)
/** The sentence to it. */
export const errorMessage = inRole('errorMessage', nullableString)
const unsentSentence = unsent<string | null>(null)
/** An error whose sentence does not travel: clients in this process read it. */
export const failure = {
  errorCode,
  errorMessage: { ...unsentSentence, type: inRole('errorMessage', unsentSentence.type) },
}

export const topicName = inRole('topic', string)
export const nullableTopicName = inRole('topic', nullableString)
export const topicId = inRole('topicId', uuid)
export const partitionIndex = inRole('partition', int32)
export const groupId = inRole('group', string)
/** What a coordinator is asked for by: a group, or a transactional id. */
export const coordinatorKey = inRole('coordinatorKey', string)
export const resourceType = inRole('resourceType', int8)
/** The id of a broker, beside its host and port. */
export const nodeId = inRole('node', int32)

// ── places ───────────────────────────────────────────────────────────────────────────────

/** A structure of any message, as fields by name. */
export type Row = Readonly<Record<string, unknown>>

/** What the fields of a structure are about. */
export interface Places {
  /** Names of fields by what they are. */
  readonly fields: { readonly [R in Role]?: string }
  /** The structure, when it says nothing. */
  readonly none: Row
  /** The list that tells apart what the structure is about, if it has one. */
  readonly list?: ListPlaces
}

export interface ListPlaces extends Places {
  /** The field of the list. */
  readonly name: string
  /** What its entries are, when they are nothing but names. */
  readonly role?: Role
}

const NAMES: ReadonlySet<Role> = new Set<Role>(['topic', 'partition', 'group', 'coordinatorKey'])

/** The places in a layout in its newest version. */
export function placesOf({ fields = [], none }: Type<unknown>): Places {
  const list = fields.find(({ type, until }) => until === Infinity && isListOfNamed(type))
  const inRoles = fields.flatMap(({ name, type }) => (type.role ? [[type.role, name]] : []))
  return {
    // Of two in the same role the first is meant.
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
 * The value, with `change` done to every structure in it that has a field in the role; `change` is
 * told the name of that field. Copied only where something changes: answers may hold a thousand
 * partitions.
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
