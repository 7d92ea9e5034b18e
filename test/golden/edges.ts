/**
 * What a broker is asked at its edges: names it has not, numbers out of range, members that are
 * gone, batches that are broken. Asked in this order of a broker that is alone and new.
 */

import { cluster } from './edges/cluster.js'
import { groups } from './edges/groups.js'
import { ids } from './edges/ids.js'
import { members } from './edges/members.js'
import { metadata } from './edges/metadata.js'
import { partitions } from './edges/partitions.js'
import type { Place } from './edges/place.js'
import { reading } from './edges/reading.js'
import { rebalance } from './edges/rebalance.js'
import { produce } from './edges/records.js'
import { settings } from './edges/settings.js'
import { tools } from './edges/tools.js'
import { topics } from './edges/topics.js'

export async function edges(place: Place): Promise<void> {
  await topics(place)
  await metadata(place)
  await partitions(place)
  await settings(place)
  await produce(place)
  await reading(place)
  await groups(place)
  await members(place)
  await rebalance(place)
  await cluster(place)
  await tools(place)
  await ids(place)
}
