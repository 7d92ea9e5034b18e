/* ApiVersions: a client's first request, for the APIs and versions that a broker supports. */

import {
  array,
  bool,
  int16,
  int32,
  int64,
  message,
  nullableString,
  since,
  string,
  struct,
  tagged,
  type ValueOf,
} from '../schema.js'

const RANGE = { versions: [0, 5], flexibleSince: 3 } as const

export const apiVersionsRequest = message('ApiVersionsRequest', RANGE, {
  clientSoftwareName: since(3, string, ''),
  clientSoftwareVersion: since(3, string, ''),
  /** The cluster and the broker that the client means, both or neither (KIP-1242). */
  clusterId: since(5, nullableString, null),
  nodeId: since(5, int32, -1),
})

const feature = struct({ name: string, minVersion: int16, maxVersion: int16 })
const finalizedFeature = struct({ name: string, maxVersionLevel: int16, minVersionLevel: int16 })

export const apiVersionsResponse = message('ApiVersionsResponse', RANGE, {
  errorCode: int16,
  apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })),
  throttleTimeMs: since(1, int32, 0),
  supportedFeatures: tagged(0, 3, array(feature), []),
  finalizedFeaturesEpoch: tagged(1, 3, int64, -1),
  finalizedFeatures: tagged(2, 3, array(finalizedFeature), []),
  zkMigrationReady: tagged(3, 3, bool, false),
})

export type ApiVersionsRequest = ValueOf<typeof apiVersionsRequest>
export type ApiVersionsResponse = ValueOf<typeof apiVersionsResponse>
