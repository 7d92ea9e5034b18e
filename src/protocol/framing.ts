/*
 * Requests and responses on a connection, one frame each:
 *
 *   int32 size │ header │ body
 *
 *   request header    int16 api │ int16 version │ int32 correlation id │ client id │ flexible: tags
 *   response header   int32 correlation id │ flexible: tags (ApiVersions: never)
 *
 * The client id is a nullable string with an int16 length in every version.
 */

import { ByteReader, ByteWriter } from '../base/bytes.js'
import { APIS, type Api, type ApiName, type Request, type Response } from './api.js'
import { nullableString, read, write, type Message } from './schema.js'

/** The bytes of a request or response, with their size, in parts that follow each other. */
export type Frame = readonly Buffer[]

/** The bytes of the size field before a frame. */
export const SIZE_BYTES = 4

export interface RequestHeader {
  readonly apiKey: number
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
}

/** The part of an API that encoding and decoding need. */
export interface WireApi<Q, S> {
  readonly key: number
  readonly request: Message<Q>
  readonly response: Message<S>
  /** The response header never has tags, because its reader may not know the version. */
  readonly hasPlainHeader?: boolean
}

const NAME_BY_KEY = new Map(Object.entries(APIS).map(([name, { key }]) => [key, name as ApiName]))
export const PLAIN = { version: 0, isFlexible: false } as const

export function apiOfKey(key: number): ApiName | undefined {
  return NAME_BY_KEY.get(key)
}

/** The API with this name, with its own types. */
export function wireApi<A extends ApiName>(name: A): Api<Request<A>, Response<A>> {
  return APIS[name] as unknown as Api<Request<A>, Response<A>>
}

/** Reads the part of a request header that is the same in all versions. */
export function readRequestHeader(reader: ByteReader): RequestHeader {
  const apiKey = reader.int16()
  const version = reader.int16()
  const correlationId = reader.int32()
  return { apiKey, version, correlationId, clientId: nullableString.read(reader, PLAIN) }
}

/**
 * Reads the body of a request. Bytes after the body are ignored, as in Kafka: librdkafka 2.15 sends
 * three extra bytes with some Metadata requests.
 */
export function readRequestBody<Q, S>(
  api: WireApi<Q, S>,
  { version }: RequestHeader,
  reader: ByteReader,
): Q {
  if (version >= api.request.flexibleSince) skipTags(reader)
  return read(api.request, reader, version)
}

/** The frame of a request, in parts; large fields of `body` are not copied. */
export function requestFrame<Q, S>(
  api: WireApi<Q, S>,
  { version, correlationId, clientId }: Omit<RequestHeader, 'apiKey'>,
  body: Q,
): Frame {
  const writer = new ByteWriter(256, true)
  writer.int32(0).int16(api.key).int16(version).int32(correlationId)
  nullableString.write(writer, clientId, PLAIN)
  if (version >= api.request.flexibleSince) writer.uvarint(0)
  write(api.request, writer, body, version)
  return sized(writer)
}

/** The frame of a response, in parts; large fields of `body` are not copied. */
export function responseFrame<Q, S>(
  api: WireApi<Q, S>,
  { version, correlationId }: Pick<RequestHeader, 'version' | 'correlationId'>,
  body: S,
): Frame {
  const writer = new ByteWriter(256, true)
  writer.int32(0).int32(correlationId)
  if (hasTags(api, version)) writer.uvarint(0)
  write(api.response, writer, body, version)
  return sized(writer)
}

export function readCorrelationId(reader: ByteReader): number {
  return reader.int32()
}

/** Reads the body of a response, after its correlation id. */
export function readResponseBody<Q, S>(api: WireApi<Q, S>, version: number, reader: ByteReader): S {
  if (hasTags(api, version)) skipTags(reader)
  return read(api.response, reader, version)
}

function hasTags({ response, hasPlainHeader }: WireApi<never, never>, version: number): boolean
function hasTags<Q, S>(api: WireApi<Q, S>, version: number): boolean
function hasTags(
  { response, hasPlainHeader = false }: WireApi<unknown, unknown>,
  version: number,
): boolean {
  return !hasPlainHeader && version >= response.flexibleSince
}

function sized(writer: ByteWriter): Frame {
  const parts = writer.parts()
  parts[0]?.writeInt32BE(writer.length - SIZE_BYTES, 0)
  return parts
}

function skipTags(reader: ByteReader): void {
  for (let left = reader.count(reader.uvarint(), 2); left > 0; left--) {
    reader.uvarint()
    reader.bytes(reader.uvarint())
  }
}
