/** From bytes to values: what a consumer does with keys and values before it hands them out. */

import type { Header } from '../../model/batch/record.js'
import { PartlogError } from '../../model/errors.js'

/** Where the bytes come from. */
export interface DeserializerContext {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly headers: readonly Header[]
}

/**
 * Turns the bytes of a key or value into what the application works with. Never called for null.
 * The bytes are a view of a fetched batch: copy them if they are kept for long. What it throws
 * reaches the application as SERIALIZATION_FAILED with the record's place in the sentence; the
 * position stays.
 */
export type Deserializer<T> = (bytes: Uint8Array, context: DeserializerContext) => T

/** Any value that JSON can hold. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** What the deserializers that have names give. */
export interface DeserializedByName {
  /** A Buffer, which is a Uint8Array: `value.toString()` gives its text. */
  readonly bytes: Uint8Array
  readonly string: string
  readonly json: JsonValue
}

/** A deserializer that has a name: 'bytes', 'string' or 'json'. */
export type DeserializerName = keyof DeserializedByName

/**
 * What a consumer's keys or values are: what its deserializer function gives, or else what the
 * named one does.
 */
export type Deserialized<Name extends DeserializerName, Custom> = [Custom] extends [never]
  ? DeserializedByName[Name]
  : Custom

/** How bytes become keys or values: by a named way, or by a function. */
export type DeserializerOption = DeserializerName | Deserializer<unknown>

/** A deserializer for JSON of a type that is known (and not checked) by the application. */
export function json<T = JsonValue>(): Deserializer<T> {
  return bytes => JSON.parse(asText(bytes)) as T
}

/** The function behind a named deserializer; undefined for 'bytes', which needs none. */
export function deserializerOf(option: DeserializerOption): Deserializer<unknown> | undefined {
  if (option === 'bytes') return undefined
  if (option === 'string') return asText
  return option === 'json' ? json() : option
}

/** Runs a deserializer; what it throws becomes SERIALIZATION_FAILED. */
export function deserialize(
  deserializer: Deserializer<unknown>,
  bytes: Uint8Array,
  context: DeserializerContext,
  part: 'key' | 'value',
): unknown {
  try {
    return deserializer(bytes, context)
  } catch (error) {
    const { topic, partition, offset } = context
    throw new PartlogError(
      'SERIALIZATION_FAILED',
      `the ${part} of ${topic}-${partition} offset ${offset} cannot be deserialized: ` +
        (error instanceof Error ? error.message : String(error)),
      { cause: error, record: { topic, partition, offset } },
    )
  }
}

/** The 'string' deserializer; a batch that is read gives its text without a view in between. */
export function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
