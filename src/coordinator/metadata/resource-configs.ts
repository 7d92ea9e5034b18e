/* Settings of what is no topic: groups, client metrics. They need not exist to have settings. */

import { PartlogError } from '../../model/errors.js'
import { checkResourceSettings, type ResourceKind } from '../../model/resource-settings.js'
import type { Decision } from '../fold/state-machine.js'
import { journalRecord, type ClusterImage } from './cluster-image.js'

/** Groups and subscriptions to metrics that may have settings. */
const RESOURCES_MAX = 1_000

export interface Resource {
  /** Kafka's number of its kind. */
  readonly resourceType: number
  readonly resourceName: string
}

/** Changes settings of a resource; null resets one to its default. */
export function alterResource(
  image: ClusterImage,
  { resourceType, resourceName }: Resource,
  { kind, changes }: {
    readonly kind: ResourceKind
    readonly changes: Readonly<Record<string, string | null>>
  },
): Decision<undefined> {
  checkResourceSettings(kind, changes)
  const before = image.configOf(resourceType, resourceName)
  if (Object.keys(before).length === 0 && image.resources.size >= RESOURCES_MAX) {
    const sentence = `at most ${RESOURCES_MAX} groups and client metrics have settings`
    throw new PartlogError('POLICY_VIOLATION', sentence)
  }
  const real = Object.entries(changes).filter(([name, value]) => {
    return value !== (Object.hasOwn(before, name) ? before[name] : null)
  })
  const records = real.map(([name, value]) =>
    journalRecord({ kind: 'Config', resourceType, resourceName, name, value }),
  )
  return { records, answer: undefined }
}
