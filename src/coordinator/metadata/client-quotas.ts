/*
 * Quotas of clients by user, client id and address (KIP-546), with Kafka's checks. They are kept
 * and shown; nothing is slowed down.
 */

import { INT_MAX } from '../../base/options.js'
import { PartlogError } from '../../model/errors.js'
import type { Decision } from '../fold/state-machine.js'
import { journalRecord, quotaKeyOf, type ClusterImage } from './cluster-image.js'

/** Whom a quota is for; the name null means all that have no quota of their own. */
export interface QuotaEntity {
  readonly entityType: string
  readonly entityName: string | null
}

export interface QuotaChange {
  readonly key: string
  readonly value: number
  readonly remove: boolean
}

/** Users, clients and addresses that may have quotas. */
const ENTITIES_MAX = 1_000

const LONG_MAX = 2 ** 63

interface QuotaKey {
  readonly max: number
  readonly isWhole: boolean
}

const OF_CLIENTS: Readonly<Record<string, QuotaKey>> = {
  producer_byte_rate: { max: LONG_MAX, isWhole: true },
  consumer_byte_rate: { max: LONG_MAX, isWhole: true },
  request_percentage: { max: Infinity, isWhole: false },
  controller_mutation_rate: { max: Infinity, isWhole: false },
}
const OF_ADDRESSES: Readonly<Record<string, QuotaKey>> = {
  connection_creation_rate: { max: INT_MAX, isWhole: true },
}

const CLIENT_TYPES = ['user', 'client-id']
const ADDRESS_TYPE = 'ip'
export const QUOTA_TYPES: readonly string[] = [...CLIENT_TYPES, ADDRESS_TYPE]

/** Changes the quotas of one entity. Throws INVALID_REQUEST. */
export function alterQuota(
  image: ClusterImage,
  given: readonly QuotaEntity[],
  changes: readonly QuotaChange[],
): Decision<undefined> {
  const entity = normalEntity(given)
  const keys = keysOf(entity)
  for (const { key, value, remove } of changes) {
    if (!remove) checkValue(key, value, Object.hasOwn(keys, key) ? keys[key] : undefined)
  }
  const before = image.quotas.get(quotaKeyOf(entity))
  if (before === undefined && image.quotas.size >= ENTITIES_MAX) {
    const sentence = `at most ${ENTITIES_MAX} users, clients and addresses have quotas`
    throw new PartlogError('POLICY_VIOLATION', sentence)
  }
  const records = changes
    .filter(({ key, value, remove }) => {
      const old = before?.values.get(key)
      return remove ? old !== undefined : old !== value
    })
    .map(change => journalRecord({ kind: 'ClientQuota', entity, ...change }))
  return { records, answer: undefined }
}

/** One part of a type, the last one, in the order of the types. */
export function normalEntity(parts: readonly QuotaEntity[]): QuotaEntity[] {
  const byType = new Map(parts.map(part => [part.entityType, part]))
  return [...byType.values()].sort((a, b) => (a.entityType < b.entityType ? -1 : 1))
}

function keysOf(entity: readonly QuotaEntity[]): Readonly<Record<string, QuotaKey>> {
  if (entity.length === 0) throw invalid('a quota is for a user, a client id or an address')
  for (const { entityType, entityName } of entity) {
    if (!QUOTA_TYPES.includes(entityType)) {
      throw invalid(`quotas are for ${QUOTA_TYPES.join(', ')}, not for "${entityType}"`)
    }
    if (entityName === '') throw invalid(`quotas of ${entityType}: the name is empty`)
  }
  const address = entity.find(({ entityType }) => entityType === ADDRESS_TYPE)
  if (address === undefined) return OF_CLIENTS
  if (entity.length > 1) throw invalid('quotas of addresses cannot name users or clients as well')
  const { entityName: ip } = address
  if (ip !== null && !isAddress(ip)) throw invalid(`"${ip}" is not an IP address`)
  return OF_ADDRESSES
}

function isAddress(text: string): boolean {
  const parts = text.split('.')
  const isV4 = parts.length === 4 && parts.every(part => /^\d{1,3}$/.test(part) && +part < 256)
  return isV4 || (text.includes(':') && /^[\da-f:.]{2,45}$/i.test(text))
}

function checkValue(key: string, value: number, limits: QuotaKey | undefined): void {
  if (limits === undefined) throw invalid(`quota "${key}" does not exist for this entity`)
  const { max, isWhole } = limits
  const kind = isWhole ? 'a whole number' : 'a number'
  const isFit = Number.isFinite(value) && value > 0 && value <= max
  if (isFit && (!isWhole || Number.isInteger(value))) return
  throw invalid(`quota ${key}: expected ${kind} above 0 and at most ${max}, got ${value}`)
}

function invalid(sentence: string): PartlogError {
  return new PartlogError('INVALID_REQUEST', sentence)
}
