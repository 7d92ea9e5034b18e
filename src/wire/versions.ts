/* The APIs that are served over a wire, each in the versions that both its messages cover. */

import { errorId } from '../model/errors.js'
import { FEATURES } from '../model/features.js'
import { APIS, type ApiName } from '../protocol/api.js'
import { wireApi } from '../protocol/framing.js'
import type { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/api-versions.js'

/** ApiVersions is answered by the connection, not by a broker. */
export const API_VERSIONS_KEY = 18
export const API_VERSIONS_MAX = 5

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
 * Versions that are announced but not served, as in Kafka 4 (KAFKA-18659). librdkafka before 2025
 * judges a broker by the lowest version of Produce, and does not compress unless versions 0 to 2
 * are announced. A request in one of them ends its connection, as in Kafka.
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

/** The features never change, so this is their first epoch. */
const FEATURES_EPOCH = 0

const ANSWER: ApiVersionsResponse = {
  errorCode: 0,
  apiKeys: SERVED,
  supportedFeatures: FEATURES.map(({ name, supported: [minVersion, maxVersion] }) => ({
    name,
    minVersion,
    maxVersion,
  })),
  finalizedFeaturesEpoch: FEATURES_EPOCH,
  finalizedFeatures: FEATURES.map(({ name, level }) => ({
    name,
    maxVersionLevel: level,
    minVersionLevel: level,
  })),
}

/**
 * Clients before version 4 take a lowest level of 0 for an error: such features are left out of
 * what is supported, as in Kafka (KAFKA-17011). What is in use is told to all.
 */
const BEFORE_LEVEL_0: ApiVersionsResponse = {
  ...ANSWER,
  supportedFeatures: (ANSWER.supportedFeatures ?? []).filter(({ minVersion }) => minVersion > 0),
}

const LEVEL_0_SINCE = 4

export function apiVersions(version: number): ApiVersionsResponse {
  return version < LEVEL_0_SINCE ? BEFORE_LEVEL_0 : ANSWER
}

/** The answer to a newer version of ApiVersions: it names only the versions of ApiVersions. */
export const UNKNOWN_VERSION: ApiVersionsResponse = {
  errorCode: errorId('UNSUPPORTED_VERSION'),
  apiKeys: [OWN],
}

/** The answer to a client without a valid software name and version (KIP-511). */
export const NOT_NAMED: ApiVersionsResponse = { errorCode: errorId('INVALID_REQUEST'), apiKeys: [] }

/** The answer to a client that names a cluster without a broker, or the other way round. */
export const HALF_NAMED: ApiVersionsResponse = NOT_NAMED

/** The answer to a client that means another cluster or broker: it begins anew (KIP-1242). */
export const ANOTHER_BROKER: ApiVersionsResponse = {
  errorCode: errorId('REBOOTSTRAP_REQUIRED'),
  apiKeys: [],
}

const SOFTWARE = /^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/

export function isSoftwareNamed(request: ApiVersionsRequest): boolean {
  const { clientSoftwareName = '', clientSoftwareVersion = '' } = request
  return SOFTWARE.test(clientSoftwareName) && SOFTWARE.test(clientSoftwareVersion)
}
