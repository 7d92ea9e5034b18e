/* Settings of groups and of client metrics in answers. */

import {
  CLIENT_METRICS_SETTINGS,
  GROUP_SETTINGS,
  type ResourceKind,
} from '../../model/resource-settings.js'
import { CONFIG_SOURCE, CONFIG_TYPE, RESOURCE_TYPE } from '../../protocol/messages/configs.js'
import { UNUSED } from './setting-texts.js'
import type { SettingEntry } from './topic-entries.js'

/** The kinds of resources whose settings can be changed, besides topics. */
export const KINDS: ReadonlyMap<number, ResourceKind> = new Map([
  [RESOURCE_TYPE.clientMetrics, CLIENT_METRICS_SETTINGS],
  [RESOURCE_TYPE.group, GROUP_SETTINGS],
])

const SOURCES: ReadonlyMap<number, number> = new Map([
  [RESOURCE_TYPE.clientMetrics, CONFIG_SOURCE.clientMetrics],
  [RESOURCE_TYPE.group, CONFIG_SOURCE.group],
])

/** The settings of such a resource: those that were set, and the defaults of the others. */
export function resourceEntries(
  resourceType: number,
  config: Readonly<Record<string, string>>,
): SettingEntry[] {
  const settings = Object.entries(KINDS.get(resourceType)?.settings ?? {})
  const own = SOURCES.get(resourceType) ?? CONFIG_SOURCE.default
  return settings.map(([name, { fallback }]) => {
    const isSet = Object.hasOwn(config, name)
    const value = isSet ? (config[name] as string) : String(fallback)
    // In Kafka a setting of a group falls back to one of the broker, with this prefix.
    const inherited =
      resourceType === RESOURCE_TYPE.group
        ? [{ name: `group.${name}`, value: String(fallback), source: CONFIG_SOURCE.default }]
        : []
    return {
      name,
      value,
      readOnly: false,
      isSensitive: false,
      configSource: isSet ? own : CONFIG_SOURCE.default,
      configType: typeof fallback === 'number' ? CONFIG_TYPE.int : CONFIG_TYPE.list,
      synonyms: isSet ? [{ name, value, source: own }, ...inherited] : inherited,
      documentation: UNUSED,
    }
  })
}
