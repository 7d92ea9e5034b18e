/* Addresses of brokers as Kafka writes them: `host:port`, `[::1]:9092`. */

import { show } from '../base/options.js'
import { PartlogError } from '../model/errors.js'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

const ADDRESS = /^(?:\[([0-9a-f:.%\w]+)\]|([^:[\]/\s]+)):(\d{1,5})$/i

/** The endpoint as text, as clients accept it. */
export function addressOf({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Parses an address. Throws INVALID_CONFIG if it is invalid. */
export function endpointOf(address: unknown): Endpoint {
  const [, v6, name, digits] = ADDRESS.exec(typeof address === 'string' ? address.trim() : '') ?? []
  const host = v6 ?? name
  const port = Number(digits)
  if (host !== undefined && port > 0 && port < 65_536) return { host, port }
  const sentence = `bootstrapServers: expected "host:port", got ${show(address)}`
  throw new PartlogError('INVALID_CONFIG', sentence)
}
