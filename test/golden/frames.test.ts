/** Frames of real clients and a real broker come out of our layouts as they went in. */

import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../src/base/bytes.js'
import {
  readCorrelationId,
  readRequestBody,
  readRequestHeader,
  readResponseBody,
  SIZE_BYTES,
  type WireApi,
} from '../../src/protocol/framing.js'
import { layoutsOf, SESSIONS, type Frame } from './frames.js'
import { encodeRequest, encodeResponse } from '../wire/encoded.js'

/** The bytes of a frame after it was read and written again, size left out. */
function again(api: WireApi<unknown, unknown>, { kind, version, bytes }: Frame): Buffer {
  const reader = new ByteReader(bytes)
  if (kind === 'request') {
    const header = readRequestHeader(reader)
    return encodeRequest(api, header, readRequestBody(api, header, reader)).subarray(SIZE_BYTES)
  }
  const correlationId = readCorrelationId(reader)
  const body = readResponseBody(api, version, reader)
  return encodeResponse(api, { version, correlationId }, body).subarray(SIZE_BYTES)
}

/** What clients use of a real broker and partlog has not got; they do without. */
const NOT_HERE: Readonly<Record<string, readonly string[]>> = {}

/** Requests followed by bytes that are not read: three, in librdkafka 2.15. */
const NOT_CANONICAL: Readonly<Record<string, readonly string[]>> = {
  'confluent-node': ['request 3 v13'],
}

const nameOf = ({ api, version }: Frame): string => `${api} v${version}`

describe('frames', () => {
  it.each(SESSIONS)('frames of $client are written as they were read', ({ client, frames }) => {
    const missing = new Set<string>()
    const wrong: string[] = []
    for (const frame of frames) {
      const api = layoutsOf(frame)
      if (api === undefined) missing.add(nameOf(frame))
      else if (!again(api, frame).equals(frame.bytes)) wrong.push(`${frame.kind} ${nameOf(frame)}`)
    }
    expect([...new Set(wrong)]).toEqual(NOT_CANONICAL[client] ?? [])
    expect([...missing].sort()).toEqual(NOT_HERE[client] ?? [])
    expect(frames.length).toBeGreaterThan(100)
  })
})
