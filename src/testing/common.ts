/*
 * partlog/testing as a CommonJS module. The library is in `index.cjs`, which has this part too and
 * loads it on demand: a second copy would make the package a third larger.
 */

import type { Explored, ExploreOptions } from './explore.js'
import type { Scenario } from './world.js'

declare function require(path: './index.cjs'): Pick<typeof import('../index.js'), 'loadTesting'>

/** See `explore` in explore.ts. */
export async function explore(options: ExploreOptions, scenario: Scenario): Promise<Explored> {
  const testing = await require('./index.cjs').loadTesting()
  return await testing.explore(options, scenario)
}
