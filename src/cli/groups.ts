/** `partlog groups [GROUP]`: who has read how far, and how far they are behind. */

import type { Admin } from '../client/admin.js'
import { PartlogError } from '../model/errors.js'
import { command } from './command.js'
import { DIR_OPTION, JSON_OPTION, reading } from './shared.js'
import { table } from './table.js'

async function checkGroup(admin: Admin, group: string): Promise<void> {
  if ((await admin.listGroups()).some(({ groupId }) => groupId === group)) return
  throw new PartlogError('GROUP_ID_NOT_FOUND', `there is no group ${group}`)
}

export const groupsCommand = command({
  name: 'groups',
  summary: 'Lists groups with their lag, or what one group has committed.',
  words: ['[GROUP]'],
  options: { dir: DIR_OPTION, json: JSON_OPTION },
  examples: ['partlog groups', 'partlog groups billing'],
  run: async ({ words, options, output }) => {
    await reading(options.dir, async ({ admin }) => {
      const [group] = words
      if (group !== undefined) {
        const rows = await admin.listGroupOffsets(group)
        if (rows.length === 0) await checkGroup(admin, group)
        if (options.json) for (const row of rows) await output.json({ group, ...row })
        else {
          const cells = rows.map(each => [
            each.topic,
            each.partition,
            each.offset,
            each.endOffset,
            each.lag,
            each.metadata,
          ])
          const head = ['TOPIC', 'PARTITION', 'COMMITTED', 'END', 'LAG', 'METADATA']
          await output.line(table(head, cells))
        }
        return
      }
      const rows = []
      for (const { groupId, state } of await admin.listGroups()) {
        const offsets = await admin.listGroupOffsets(groupId)
        const lag = offsets.reduce((sum, each) => sum + each.lag, 0)
        rows.push({ group: groupId, state, partitions: offsets.length, lag })
      }
      if (options.json) for (const row of rows) await output.json(row)
      else {
        const cells = rows.map(row => [row.group, row.state, row.partitions, row.lag])
        await output.line(table(['GROUP', 'STATE', 'PARTITIONS', 'LAG'], cells))
      }
    })
    return 0
  },
})
