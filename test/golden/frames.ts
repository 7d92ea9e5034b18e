/** Sessions of Kafka's clients with a real broker, frame by frame; test/compat records them. */

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { apiOfKey, wireApi, type WireApi } from '../../src/protocol/framing.js'
import { API_VERSIONS } from '../wire/client.js'

type Line = readonly ['request' | 'response', number, number, number, number, string]

/** A frame without its size; a response has the id, the API and the version of its request. */
export interface Frame {
  readonly kind: 'request' | 'response'
  readonly id: number
  readonly connection: number
  readonly api: number
  readonly version: number
  readonly bytes: Buffer
}

export interface Session {
  readonly client: string
  readonly frames: readonly Frame[]
}

const FOLDER = fileURLToPath(new URL('frames/', import.meta.url))

export const SESSIONS: readonly Session[] = readdirSync(FOLDER)
  .filter(name => name.endsWith('.json'))
  .sort()
  .map(name => ({ client: name.replace('.json', ''), frames: framesIn(`${FOLDER}${name}`) }))

function framesIn(file: string): Frame[] {
  const lines = JSON.parse(readFileSync(file, 'utf8')) as readonly Line[]
  return lines.map(([kind, id, connection, api, version, text]) => ({
    kind,
    id,
    connection,
    api,
    version,
    bytes: Buffer.from(text, 'base64'),
  }))
}

/** The layouts of an API; undefined when partlog has not got it in this version. */
export function layoutsOf({ api, version }: Frame): WireApi<unknown, unknown> | undefined {
  const name = apiOfKey(api)
  const found = api === API_VERSIONS.key ? API_VERSIONS : name && wireApi(name)
  if (found === undefined) return undefined
  const [min, max] = found.request.versions
  return version >= min && version <= max
    ? (found as unknown as WireApi<unknown, unknown>)
    : undefined
}
