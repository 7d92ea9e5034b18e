/*
 * DescribeClientQuotas and AlterClientQuotas (v0–v1): quotas are checked, kept and shown, as Kafka
 * does it, and nothing is slowed down.
 */

import { repeated } from '../../base/repeated.js'
import { paced } from '../../base/tasks.js'
import type { Decision } from '../../coordinator/fold/state-machine.js'
import { alterQuota, normalEntity, QUOTA_TYPES } from '../../coordinator/metadata/client-quotas.js'
import {
  quotaKeyOf,
  type ClusterImage,
  type QuotaImage,
} from '../../coordinator/metadata/cluster-image.js'
import { PartlogError } from '../../model/errors.js'
import {
  QUOTA_MATCH,
  type AlterClientQuotasRequest,
  type AlterClientQuotasResponse,
  type DescribeClientQuotasRequest,
  type DescribeClientQuotasResponse,
} from '../../protocol/messages/quotas.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'

type Component = DescribeClientQuotasRequest['components'][number]

export function describeClientQuotas(
  broker: BrokerContext,
  { components, strict }: DescribeClientQuotasRequest,
): DescribeClientQuotasResponse {
  try {
    checkComponents(components)
  } catch (error) {
    return { ...errorFields(error), entries: null }
  }
  const entries = [...broker.controller.image.quotas.values()]
    .filter(({ entity }) => !strict || entity.length === components.length)
    .filter(quota => components.every(component => isMatch(quota, component)))
    .map(({ entity, values }) => ({
      entity,
      values: [...values].map(([key, value]) => ({ key, value })),
    }))
  return { ...NO_ERROR, entries }
}

function isMatch({ entity }: QuotaImage, { entityType, matchType, match }: Component): boolean {
  const part = entity.find(each => each.entityType === entityType)
  if (part === undefined) return false
  if (matchType === QUOTA_MATCH.specified) return true
  return part.entityName === (matchType === QUOTA_MATCH.exact ? match : null)
}

export async function alterClientQuotas(
  broker: BrokerContext,
  { entries: given, validateOnly }: AlterClientQuotasRequest,
): Promise<AlterClientQuotasResponse> {
  const { controller, clock } = broker
  const changes = given.map(({ entity, ops }) => ({ entity: normalEntity(entity), ops }))
  const doubled = repeated(changes.map(({ entity }) => quotaKeyOf(entity)))
  const distinct = new Map(changes.map(change => [quotaKeyOf(change.entity), change]))
  const entries: AlterClientQuotasResponse['entries'][number][] = []
  for await (const [key, { entity, ops }] of paced(distinct, clock)) {
    const decide = (image: ClusterImage): Decision<void> => alterQuota(image, entity, ops)
    try {
      if (doubled.has(key)) throw invalid('an entity is named twice')
      const [twice] = repeated(ops.map(each => each.key))
      if (twice !== undefined) throw invalid(`quota ${twice} is named twice`)
      if (validateOnly) decide(controller.image)
      else await controller.run(decide)
      entries.push({ ...NO_ERROR, entity })
    } catch (error) {
      entries.push({ ...errorFields(error), entity })
    }
  }
  return { entries }
}

// ── checks ───────────────────────────────────────────────────────────────────────────────

const MATCHES: ReadonlySet<number> = new Set(Object.values(QUOTA_MATCH))

/** Throws INVALID_REQUEST, or UNSUPPORTED_VERSION for a kind of entity that is none. */
function checkComponents(components: readonly Component[]): void {
  const types = components.map(({ entityType }) => entityType)
  for (const component of components) checkComponent(component)
  const [twice] = repeated(types)
  if (twice !== undefined) throw invalid(`${twice} is named twice`)
  if (types.includes('ip') && types.length > 1) {
    throw invalid('quotas of addresses have no users or clients')
  }
  const unknown = types.find(type => !QUOTA_TYPES.includes(type))
  if (unknown === undefined) return
  throw new PartlogError('UNSUPPORTED_VERSION', `quotas are not kept for "${unknown}"`)
}

function checkComponent({ entityType, matchType, match }: Component): void {
  if (entityType === '') throw invalid('the kind of an entity is empty')
  if (!MATCHES.has(matchType)) throw invalid(`match type ${matchType} does not exist`)
  if ((matchType === QUOTA_MATCH.exact) === (match !== null)) return
  throw invalid(`${entityType}: match type ${matchType} with the name ${String(match)}`)
}

function invalid(sentence: string): PartlogError {
  return new PartlogError('INVALID_REQUEST', sentence)
}
