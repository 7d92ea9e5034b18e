/* UpdateFeatures: the levels of the cluster's features (KIP-584). ApiVersions lists them. */

import {
  array,
  bool,
  int16,
  int32,
  int8,
  message,
  since,
  string,
  struct,
  until,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage } from './message-places.js'

const RANGE = { versions: [0, 2], flexibleSince: 0 } as const

/** FeatureUpdate.UpgradeType.UPGRADE */
const UPGRADE_ONLY = 1

export const updateFeaturesRequest = message('UpdateFeaturesRequest', RANGE, {
  timeoutMs: withDefault(int32, 60_000),
  featureUpdates: array(
    struct({
      feature: string,
      /** The new level; below 1: the feature is no longer used. */
      maxVersionLevel: int16,
      allowDowngrade: until(0, bool, false),
      /** 1: only up; 2: down, when nothing is lost; 3: down in any case. */
      upgradeType: since(1, int8, UPGRADE_ONLY),
    }),
  ),
  validateOnly: since(1, bool, false),
})

export const updateFeaturesResponse = message('UpdateFeaturesResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  errorCode,
  errorMessage,
  /** Since version 2 there is one error for all. */
  results: until(1, array(struct({ feature: string, errorCode, errorMessage })), []),
})

export type UpdateFeaturesRequest = ValueOf<typeof updateFeaturesRequest>
export type UpdateFeaturesResponse = ValueOf<typeof updateFeaturesResponse>
