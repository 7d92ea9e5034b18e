/** What can be asked over a wire: every API, in the versions that both its messages cover. */

import { APIS, type ApiName } from '../protocol/api.js'
import { wireApi } from '../protocol/framing.js'
import type { ApiVersionsResponse } from '../protocol/messages/api-versions.js'

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

const SERVED: ApiVersionsResponse['apiKeys'] = [
  ...(Object.keys(APIS) as ApiName[]).map(name => {
    const { min: minVersion, max: maxVersion } = versionsOf(name)
    return { apiKey: wireApi(name).key, minVersion, maxVersion }
  }),
  { apiKey: API_VERSIONS_KEY, minVersion: 0, maxVersion: API_VERSIONS_MAX },
].sort((a, b) => a.apiKey - b.apiKey)

export function apiVersions(errorCode = 0): ApiVersionsResponse {
  return { errorCode, apiKeys: SERVED }
}
