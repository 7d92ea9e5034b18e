/* Deserializers: how a consumer turns the bytes of keys and values into values. */

import type { Header } from '../../model/batch/record.js'
import { PartlogError } from '../../model/errors.js'

/** The record that the bytes belong to. */
export interface DeserializerContext {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly headers: readonly Header[]
}

/**
 * Turns the bytes of a key or value into a value. Never called for null. The bytes are a view of a
 * fetched batch: copy them to keep them for long. If it throws, reading rejects with
 * SERIALIZATION_FAILED, which names the record's offset; the position stays.
 */
export type Deserializer<T> = (bytes: Uint8Array, context: DeserializerContext) => T

/** Any value that JSON can hold. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** The types that the named deserializers return. */
export interface DeserializedByName {
  /** A Buffer, which is a Uint8Array: `value.toString()` gives its text. */
  readonly bytes: Uint8Array
  readonly string: string
  readonly json: JsonValue
}

/** The name of a built-in deserializer: 'bytes', 'string' or 'json'. */
export type DeserializerName = keyof DeserializedByName

/**
 * The type of a consumer's keys or values: what its deserializer function returns, or otherwise
 * what the named one does.
 */
export type Deserialized<Name extends DeserializerName, Custom> = [Custom] extends [never]
  ? DeserializedByName[Name]
  : Custom

/** A deserializer: the name of a built-in one, or a function. */
export type DeserializerOption = DeserializerName | Deserializer<unknown>

/** A deserializer for JSON of a type that the application declares; it is not checked. */
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

/** The 'string' deserializer; consumers recognise it and decode text without a view in between. */
export function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
