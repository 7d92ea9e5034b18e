/*
 * Message layouts as data: type, reader and writer of a message are derived from one value.
 *
 *   const RANGE = { versions: [0, 5], flexibleSince: 3 }
 *   const listGroupsRequest = message('ListGroupsRequest', RANGE, {
 *     statesFilter: since(4, array(string), []),
 *   })
 *
 * Fields are listed in the order of the wire. A field says in which versions it exists; in other
 * versions it has its fallback. In a value, fields with a fallback may be left out. Where a version
 * has another shape: messages/older-versions.ts.
 *
 * From its first flexible version on, a message writes lengths as varints (length + 1, 0 is null)
 * and ends every structure with tagged fields: optional fields, each with a number and a size, so
 * that a reader can skip unknown ones.
 */

import { assert } from '../base/assert.js'
import { ByteReader, ByteWriter, BytesError } from '../base/bytes.js'
import { UUID_BYTES, uuidFromBytes, uuidToBytes, ZERO_UUID } from '../base/uuid.js'

/** The version that is read or written, and whether it is flexible. */
export interface Layout {
  readonly version: number
  readonly isFlexible: boolean
}

export interface Type<T> {
  read(reader: ByteReader, layout: Layout): T
  write(writer: ByteWriter, value: T, layout: Layout): void
  /** The fewest bytes of a value: bounds the count of a list before it is allocated. */
  readonly minBytes: number
  /** The value of a field without content: −1, an empty list, null. */
  readonly none: T
  /** What its values mean to code that does not know the message. */
  readonly role?: Role
  /** The roles of the value and of all values in it. */
  readonly roles?: ReadonlySet<Role>
  /** The type of a list's elements. */
  readonly element?: AnyType
  /** The fields of a structure. */
  readonly fields?: readonly NamedField[]
}

/** What a field can mean to code that does not know its message: see `message-places.ts`. */
export type Role =
  | 'error'
  | 'errorMessage'
  | 'topic'
  | 'topicId'
  | 'partition'
  | 'group'
  | 'resourceType'
  | 'coordinatorKey'
  | 'node'

/** Returns the type with a role. */
export function inRole<T>(role: Role, type: Type<T>): Type<T> {
  return { ...type, role, roles: new Set([role]) }
}

// ── plain values ─────────────────────────────────────────────────────────────────────────

function plain<T>(
  { minBytes, none }: { readonly minBytes: number; readonly none: T },
  read: (reader: ByteReader) => T,
  write: (writer: ByteWriter, value: T) => void,
): Type<T> {
  return { minBytes, none, read, write }
}

export const int8 = plain(
  { minBytes: 1, none: -1 },
  r => r.int8(),
  (w, value: number) => void w.int8(value),
)
export const int16 = plain(
  { minBytes: 2, none: -1 },
  r => r.int16(),
  (w, value: number) => void w.int16(value),
)
export const uint16 = plain(
  { minBytes: 2, none: 0 },
  r => r.uint16(),
  (w, value: number) => void w.uint16(value),
)
export const int32 = plain(
  { minBytes: 4, none: -1 },
  r => r.int32(),
  (w, value: number) => void w.int32(value),
)
export const int64 = plain(
  { minBytes: 8, none: -1 },
  r => r.int64(),
  (w, value: number) => void w.int64(value),
)
export const float64 = plain(
  { minBytes: 8, none: 0 },
  r => r.float64(),
  (w, value: number) => void w.float64(value),
)
export const bool = plain(
  { minBytes: 1, none: false },
  r => r.int8() !== 0,
  (w, value: boolean) => void w.int8(value ? 1 : 0),
)

/** Eight bytes on the wire that are no number here; the value is their hexadecimal text. */
export const eightBytes = plain(
  { minBytes: 8, none: '0000000000000000' },
  r => Buffer.from(r.bytes(8)).toString('hex'),
  (w, value: string) => void w.bytes(Buffer.from(value, 'hex')),
)

/** Sixteen bytes on the wire; the value is the 22 characters that Kafka prints. */
export const uuid = plain(
  { minBytes: UUID_BYTES, none: ZERO_UUID },
  r => uuidFromBytes(r.bytes(UUID_BYTES)),
  (w, value: string) => {
    const bytes = uuidToBytes(value)
    if (bytes === undefined) throw new BytesError(`"${value}" is not a uuid`)
    w.bytes(bytes)
  },
)

// ── lengths ──────────────────────────────────────────────────────────────────────────────

type LengthWidth = 'int16' | 'int32'

/** The length before a value; −1 for null. */
function readLength(reader: ByteReader, width: LengthWidth, { isFlexible }: Layout): number {
  if (isFlexible) return reader.uvarint() - 1
  return width === 'int16' ? reader.int16() : reader.int32()
}

function writeLength(w: ByteWriter, length: number, width: LengthWidth, layout: Layout): void {
  if (layout.isFlexible) w.uvarint(length + 1)
  else if (width === 'int16') w.int16(length)
  else w.int32(length)
}

/** `type` or null. Only types that begin with a length can be null on the wire. */
function nullableOf<T>(
  width: LengthWidth,
  read: (reader: ByteReader, length: number, layout: Layout) => T,
  write: (writer: ByteWriter, value: T, layout: Layout) => void,
): Type<T | null> {
  return {
    minBytes: 1,
    none: null,
    read(reader, layout) {
      const length = readLength(reader, width, layout)
      return length < 0 ? null : read(reader, length, layout)
    },
    write(writer, value, layout) {
      if (value === null) writeLength(writer, -1, width, layout)
      else write(writer, value, layout)
    },
  }
}

function notNull<T>(type: Type<T | null>, none: T): Type<T> {
  return {
    ...type,
    none,
    read(reader, layout) {
      const value = type.read(reader, layout)
      if (value === null) throw new BytesError(`null at byte ${reader.position} is not allowed`)
      return value
    },
    write: (writer, value, layout) => type.write(writer, value, layout),
  }
}

/** Null is allowed from `version` on. Before it, reading refuses null; writing uses `empty`. */
export function nullableSince<T>(version: number, type: Type<T | null>, empty: T): Type<T | null> {
  const strict = notNull(type, empty)
  return {
    ...type,
    read: (reader, layout) => (layout.version < version ? strict : type).read(reader, layout),
    write: (writer, value, layout) =>
      type.write(writer, layout.version < version ? (value ?? empty) : value, layout),
  }
}

export const nullableString: Type<string | null> = nullableOf<string>(
  'int16',
  (reader, length) => reader.utf8(length),
  (writer, value, layout) => {
    writeLength(writer, Buffer.byteLength(value), 'int16', layout)
    writer.utf8(value)
  },
)
export const string = notNull(nullableString, '')

export const nullableBytes: Type<Uint8Array | null> = nullableOf<Uint8Array>(
  'int32',
  (reader, length) => reader.bytes(length),
  (writer, value, layout) => {
    writeLength(writer, value.byteLength, 'int32', layout)
    writer.bytes(value)
  },
)
export const bytes = notNull(nullableBytes, new Uint8Array(0))

/** Record batches, as bytes. */
export const records = nullableBytes

export function nullableArray<T>(element: Type<T>): Type<readonly T[] | null> {
  const list = nullableOf<readonly T[]>(
    'int32',
    (reader, length, layout) => {
      const count = reader.count(length, Math.max(1, element.minBytes))
      return Array.from({ length: count }, () => element.read(reader, layout))
    },
    (writer, value, layout) => {
      writeLength(writer, value.length, 'int32', layout)
      for (const each of value) element.write(writer, each, layout)
    },
  )
  return { ...list, element, ...(element.roles && { roles: element.roles }) }
}

export function array<T>(element: Type<T>): Type<readonly T[]> {
  return notNull(nullableArray(element), [])
}

// ── fields ───────────────────────────────────────────────────────────────────────────────

/** A field that some versions lack, or that has a default. */
export interface Field<T> {
  readonly type: Type<T>
  readonly since: number
  readonly until: number
  readonly fallback: T
  /** The number of a tagged field. */
  readonly tag?: number
}

/** A field with a default: values may leave it out. */
export function withDefault<T>(type: Type<T>, fallback: T): Field<T> {
  return { type, since: 0, until: Infinity, fallback }
}

export function since<T>(version: number, type: Type<T>, fallback: T): Field<T> {
  return { type, since: version, until: Infinity, fallback }
}

export function until<T>(version: number, type: Type<T>, fallback: T): Field<T> {
  return { type, since: 0, until: version, fallback }
}

export function between<T>(range: readonly [number, number], type: Type<T>, fallback: T): Field<T> {
  return { type, since: range[0], until: range[1], fallback }
}

/** A field that values must have, even though some versions lack it. */
export type RequiredField<T> = Field<T> & { readonly isRequired: true }

export function required<T>(field: Field<T>): RequiredField<T> {
  return { ...field, isRequired: true }
}

/** A tagged field: written only when it differs from its fallback. */
export function tagged<T>(tag: number, version: number, type: Type<T>, fallback: T): Field<T> {
  return { type, since: version, until: Infinity, fallback, tag }
}

/** A field that exists only inside the process and is never sent on a wire. */
export function unsent<T>(fallback: T): Field<T> {
  const type: Type<T> = {
    minBytes: 0,
    none: fallback,
    read: () => fallback,
    write: () => undefined,
  }
  return { type, since: Infinity, until: Infinity, fallback }
}

/* The combinators below are the one place where `any` is allowed: a table of fields holds types of
   every kind, and only the mapped type over it recovers the type of each. */
type AnyType = Type<any>
type AnyField = Field<any>
export type Fields = Readonly<Record<string, AnyType | AnyField>>

type RequiredKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends RequiredField<any> ? K : F[K] extends AnyField ? never : K
}[keyof F]
type ValueIn<S> = S extends Field<infer T> ? T : S extends Type<infer T> ? T : never

export type StructValue<F extends Fields> = {
  readonly [K in RequiredKeys<F>]: ValueIn<F[K]>
} & {
  readonly [K in Exclude<keyof F, RequiredKeys<F>>]?: ValueIn<F[K]>
}

/** The value a message or type describes. */
export type ValueOf<S> = S extends { readonly type: Type<infer T> }
  ? T
  : S extends Type<infer T>
    ? T
    : never

// ── structures ───────────────────────────────────────────────────────────────────────────

export interface NamedField extends AnyField {
  readonly name: string
}

/** A structure: several fields in order. */
export function struct<F extends Fields>(fields: F): Type<StructValue<F>> {
  const named: NamedField[] = Object.entries(fields).map(([name, declared]) => {
    const field = 'type' in declared ? declared : { ...always, type: declared }
    return { ...field, name }
  })
  const plainFields = named.filter(field => field.tag === undefined)
  const taggedFields = named.filter(field => field.tag !== undefined)
  for (const { name, since: first, until: last } of named) {
    if (first > last) assert(false, 'a field exists in some version', { name, first, last })
  }
  const tags = new Set(taggedFields.map(({ tag }) => tag))
  assert(tags.size === taggedFields.length, 'a tag means one field', { tags: [...tags] })
  return {
    minBytes: plainFields
      .filter(field => field.since === 0 && field.until === Infinity)
      .reduce((sum, field) => sum + field.type.minBytes, 0),
    none: noneOf(fields),
    fields: named,
    roles: new Set(named.flatMap(({ type }) => [...(type.roles ?? [])])),
    read(reader, layout) {
      const value: Record<string, unknown> = {}
      for (const field of plainFields) {
        value[field.name] = exists(field, layout) ? field.type.read(reader, layout) : field.fallback
      }
      for (const field of taggedFields) value[field.name] = field.fallback
      if (layout.isFlexible) readTagged(reader, value, taggedFields, layout)
      return value as StructValue<F>
    },
    write(writer, value, layout) {
      const given = value as Record<string, unknown>
      for (const field of plainFields) {
        if (exists(field, layout)) field.type.write(writer, valueOf(given, field), layout)
      }
      if (layout.isFlexible) writeTagged(writer, given, taggedFields, layout)
    },
  }
}

/** A structure or null: a byte says which, 1 or −1. */
export function nullableStruct<F extends Fields>(fields: F): Type<StructValue<F> | null> {
  const inner = struct(fields)
  return {
    ...inner,
    minBytes: 1,
    none: null,
    read: (reader, layout) => (reader.int8() < 0 ? null : inner.read(reader, layout)),
    write(writer, value, layout) {
      writer.int8(value === null ? -1 : 1)
      if (value !== null) inner.write(writer, value, layout)
    },
  }
}

/**
 * A tagged structure or null: a byte says which, 1 or 0. In Kafka the structure is never absent:
 * where nothing is written, it has its defaults, so null is written too.
 */
export function taggedNullableStruct<F extends Fields>(fields: F): Type<StructValue<F> | null> {
  const inner = struct(fields)
  return {
    ...inner,
    minBytes: 1,
    none: null,
    read: (reader, layout) => (reader.int8() === 0 ? null : inner.read(reader, layout)),
    write(writer, value, layout) {
      writer.int8(value === null ? 0 : 1)
      if (value !== null) inner.write(writer, value, layout)
    },
  }
}

/** The structure with no content: only the fields that may not be left out. */
function noneOf<F extends Fields>(fields: F): StructValue<F> {
  const entries = Object.entries(fields).flatMap(([name, declared]) => {
    if (!('type' in declared)) return [[name, declared.none]]
    return 'isRequired' in declared ? [[name, declared.fallback]] : []
  })
  return Object.fromEntries(entries) as StructValue<F>
}

const always = { since: 0, until: Infinity, fallback: undefined }

function exists(field: AnyField, { version }: Layout): boolean {
  return version >= field.since && version <= field.until
}

function valueOf(given: Record<string, unknown>, field: NamedField): unknown {
  const value = given[field.name]
  return value === undefined ? field.fallback : value
}

function readTagged(
  reader: ByteReader,
  value: Record<string, unknown>,
  fields: readonly NamedField[],
  layout: Layout,
): void {
  const count = reader.count(reader.uvarint(), 2)
  for (let index = 0; index < count; index++) {
    const tag = reader.uvarint()
    const content = reader.bytes(reader.uvarint())
    const field = fields.find(candidate => candidate.tag === tag && exists(candidate, layout))
    if (field !== undefined) value[field.name] = field.type.read(new ByteReader(content), layout)
  }
}

function writeTagged(
  writer: ByteWriter,
  value: Record<string, unknown>,
  fields: readonly NamedField[],
  layout: Layout,
): void {
  const present = fields.filter(
    field => exists(field, layout) && !isSame(valueOf(value, field), field.fallback),
  )
  writer.uvarint(present.length)
  for (const field of present) {
    const content = new ByteWriter()
    field.type.write(content, valueOf(value, field), layout)
    const encoded = content.finish()
    writer
      .uvarint(field.tag as number)
      .uvarint(encoded.length)
      .bytes(encoded)
  }
}

/** True if two field values, which are plain data, are equal. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every(key =>
    isSame((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  )
}

// ── messages ─────────────────────────────────────────────────────────────────────────────

export interface Message<T> {
  readonly name: string
  /** The versions this layout covers, both ends included. */
  readonly versions: readonly [min: number, max: number]
  /** The first version with varint lengths and tagged fields. */
  readonly flexibleSince: number
  readonly type: Type<T>
}

export function message<F extends Fields>(
  name: string,
  range: { readonly versions: readonly [number, number]; readonly flexibleSince: number },
  fields: F,
): Message<StructValue<F>> {
  return { name, ...range, type: struct(fields) }
}

/** Encodes a value in a version. */
export function encode<T>(layout: Message<T>, value: T, version: number): Buffer {
  const writer = new ByteWriter()
  write(layout, writer, value, version)
  return writer.finish()
}

/** Decodes a value in a version. Throws if bytes are left over. */
export function decode<T>(layout: Message<T>, input: Uint8Array, version: number): T {
  const reader = new ByteReader(input)
  const value = read(layout, reader, version)
  if (reader.remaining > 0) {
    throw new BytesError(`${layout.name} v${version}: ${reader.remaining} bytes left over`)
  }
  return value
}

export function write<T>(layout: Message<T>, writer: ByteWriter, value: T, version: number): void {
  layout.type.write(writer, value, layoutOf(layout, version))
}

export function read<T>(layout: Message<T>, reader: ByteReader, version: number): T {
  return layout.type.read(reader, layoutOf(layout, version))
}

function layoutOf<T>({ name, versions, flexibleSince }: Message<T>, version: number): Layout {
  if (version < versions[0] || version > versions[1]) {
    throw new BytesError(`${name} v${version} is outside ${versions[0]}–${versions[1]}`)
  }
  return { version, isFlexible: version >= flexibleSince }
}
