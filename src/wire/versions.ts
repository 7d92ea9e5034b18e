/** What can be asked over a wire: every API, in the versions that both its messages cover. */

import { errorId } from '../model/errors.js'
import { APIS, type ApiName } from '../protocol/api.js'
import { wireApi } from '../protocol/framing.js'
import type { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/api-versions.js'

/** ApiVersions is answered by whoever holds the wire: it is about the wire. */
export const API_VERSIONS_KEY = 18
export const API_VERSIONS_MAX = 4

export interface VersionRange {
  readonly min: number
  readonly max: number
}

export function versionsOf(api: ApiName): VersionRange {
  const { request, response } = wireApi(api)
  return {
    min: Math.max(request.versions[0], response.versions[0]),
    max: Math.min(request.versions[1], response.versions[1]),
  }
}

/**
 * Announced, and not served: Kafka 4 does the same (KAFKA-18659). Clients on librdkafka before 2025
 * take the lowest version of Produce for the age of the broker, and compress nothing for one that
 * does not announce versions 0 to 2. A request in one of them ends its connection, as at Kafka.
 */
const ANNOUNCED_FROM: Partial<Record<ApiName, number>> = { Produce: 0 }

const OWN = { apiKey: API_VERSIONS_KEY, minVersion: 0, maxVersion: API_VERSIONS_MAX }

const SERVED: ApiVersionsResponse['apiKeys'] = [
  ...(Object.keys(APIS) as ApiName[]).map(name => {
    const { min, max: maxVersion } = versionsOf(name)
    const minVersion = ANNOUNCED_FROM[name] ?? min
    return { apiKey: wireApi(name).key, minVersion, maxVersion }
  }),
  OWN,
].sort((a, b) => a.apiKey - b.apiKey)

export function apiVersions(): ApiVersionsResponse {
  return { errorCode: 0, apiKeys: SERVED }
}

/** To a version that is newer than those: it names the versions of this one request. */
export const UNKNOWN_VERSION: ApiVersionsResponse = {
  errorCode: errorId('UNSUPPORTED_VERSION'),
  apiKeys: [OWN],
}

/** To a client that does not say who it is, in characters that fit into a metric (KIP-511). */
export const NOT_NAMED: ApiVersionsResponse = { errorCode: errorId('INVALID_REQUEST'), apiKeys: [] }

const SOFTWARE = /^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/

export function isSoftwareNamed(request: ApiVersionsRequest): boolean {
  const { clientSoftwareName = '', clientSoftwareVersion = '' } = request
  return SOFTWARE.test(clientSoftwareName) && SOFTWARE.test(clientSoftwareVersion)
}
