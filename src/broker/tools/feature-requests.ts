/* UpdateFeatures (v0–v2): every feature has one level here, so that is the only one to set. */

import { PartlogError } from '../../model/errors.js'
import { FEATURES } from '../../model/features.js'
import type {
  UpdateFeaturesRequest,
  UpdateFeaturesResponse,
} from '../../protocol/messages/features.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'

export function updateFeatures(
  _: BrokerContext,
  { featureUpdates }: UpdateFeaturesRequest,
): UpdateFeaturesResponse {
  try {
    for (const { feature, maxVersionLevel } of featureUpdates) checkLevel(feature, maxVersionLevel)
  } catch (error) {
    return errorFields(error)
  }
  return { ...NO_ERROR, results: featureUpdates.map(({ feature }) => ({ feature, ...NO_ERROR })) }
}

/** Throws INVALID_UPDATE_VERSION. */
function checkLevel(feature: string, level: number): void {
  const known = FEATURES.find(({ name }) => name === feature)
  if (level === known?.level) return
  const why = known === undefined ? 'there is no such feature' : `it is always ${known.level}`
  const sentence = `no feature was updated: ${feature} cannot get level ${level}: ${why}`
  throw new PartlogError('INVALID_UPDATE_VERSION', sentence)
}
