/*
 * `partlog groups [GROUP]`: shows the offsets, lag and members of groups, moves a group to other
 * offsets, or deletes it. Options and columns are named as in kafka-consumer-groups.
 */

import { integer, text } from '../base/options.js'
import type { Admin } from '../client/admin/admin-api.js'
import type { GroupDescription, GroupLag } from '../client/admin/group-admin-options.js'
import {
  DIR_OPTION,
  JSON_OPTION,
  show,
  WATCH_OPTION,
  writing,
  type Shown,
} from './command-options.js'
import { type Call, command, optionalValue, repeatable, toggle } from './command.js'
import { isoTime } from '../events/text/time-text.js'
import { checkNoReset, resetGroup, topicPlace } from './group-reset.js'
import type { Output } from './terminal/output.js'
import { table } from './terminal/table.js'
import { UsageError } from './terminal/usage-error.js'

const OPTIONS = {
  dir: DIR_OPTION,
  group: optionalValue(text, 'GROUP', 'the group, instead of the argument GROUP'),
  describe: toggle('show offsets, lag and consumers by partition (the default with GROUP)'),
  members: toggle('show the members and their partitions'),
  state: toggle('show state, coordinator and assignor'),
  'reset-offsets': toggle('move the committed offsets of a group without consumers:'),
  'to-earliest': toggle('to the first offset of each partition'),
  'to-latest': toggle('to the end of each partition'),
  'to-offset': optionalValue(integer(0), 'N', 'to offset N, or the nearest one in the log'),
  'to-datetime': optionalValue(isoTime, 'TIME', 'to the first record that is not older than TIME'),
  'shift-by': optionalValue(
    integer(-(2 ** 53) + 1),
    'N',
    'by N offsets; backwards: --shift-by=-5',
  ),
  topic: repeatable(
    topicPlace,
    'T[:p,p]',
    'reset only this topic, or these partitions of it; may be given several times',
  ),
  'dry-run': toggle('only show the new offsets (the default)'),
  execute: toggle('commit the new offsets'),
  delete: toggle('delete the group and its offsets'),
  watch: WATCH_OPTION,
  json: JSON_OPTION,
}

export type GroupsCall = Call<typeof OPTIONS>
export type GroupsOptions = GroupsCall['options']

const ACTIONS = ['describe', 'members', 'state', 'reset-offsets', 'delete'] as const
type Action = (typeof ACTIONS)[number]

export const groupsCommand = command({
  name: 'groups',
  summary: 'Lists groups with their lag; describes, resets or deletes one.',
  args: ['[GROUP]'],
  options: OPTIONS,
  examples: [
    'partlog groups',
    'partlog groups billing',
    'partlog groups billing --members',
    'partlog groups billing --reset-offsets --to-datetime 2026-01-31T12:00:00Z --execute',
  ],
  run: async call => {
    const { options, output } = call
    const group = groupOf(call)
    const action = actionOf(options, group)
    if (action !== 'reset-offsets') checkNoReset(options)
    if (options.watch && (action === 'reset-offsets' || action === 'delete')) {
      throw new UsageError(`partlog groups: --watch: not with --${action}`)
    }
    if (action === undefined) await show(options, output, ({ admin }) => listGroups(admin))
    else if (action === 'reset-offsets') await resetGroup(needed(group, action), options, output)
    else if (action === 'delete') await deleteGroup(needed(group, action), options, output)
    else await show(options, output, ({ admin }) => shownOf(admin, group, action))
    return 0
  },
})

// ── the call ─────────────────────────────────────────────────────────────────────────────

function groupOf({ args, options }: GroupsCall): string | undefined {
  const [group] = args
  if (group !== undefined && options.group !== undefined) {
    throw new UsageError('partlog groups: expected GROUP or --group, not both')
  }
  return group ?? options.group
}

/** undefined: list the groups. */
function actionOf(options: GroupsOptions, group: string | undefined): Action | undefined {
  const given = ACTIONS.filter(name => options[name])
  if (given.length > 1) {
    const got = given.map(name => `--${name}`).join(' and ')
    throw new UsageError(`partlog groups: expected one action, got ${got}`)
  }
  return given[0] ?? (group === undefined ? undefined : 'describe')
}

function needed(group: string | undefined, action: Action): string {
  if (group !== undefined) return group
  throw new UsageError(`partlog groups: --${action}: expected a GROUP`)
}

// ── reading ──────────────────────────────────────────────────────────────────────────────

async function listGroups(admin: Admin): Promise<Shown> {
  const rows = []
  for (const { groupId, state } of await admin.listGroups()) {
    const { partitions, totalLag: lag } = await admin.groupLag(groupId)
    rows.push({ group: groupId, state, partitions: partitions.length, lag })
  }
  const cells = rows.map(row => [row.group, row.state, row.partitions, row.lag])
  return { objects: rows, table: table(['GROUP', 'STATE', 'PARTITIONS', 'LAG'], cells) }
}

interface Rows {
  readonly head: readonly string[]
  readonly cells: readonly (readonly (string | number | null)[])[]
  readonly objects: readonly object[]
}

async function shownOf(
  admin: Admin,
  group: string | undefined,
  action: Action,
): Promise<Shown> {
  const ids =
    group === undefined ? (await admin.listGroups()).map(({ groupId }) => groupId) : [group]
  const { head, cells, objects } = await rowsOf(admin, ids, action)
  return { objects, table: table(head, cells) }
}

async function rowsOf(admin: Admin, ids: readonly string[], action: Action): Promise<Rows> {
  if (action === 'members') return memberRows(await admin.describeGroups(ids))
  if (action === 'state') return stateRows(await admin.describeGroups(ids))
  const lags: GroupLag[] = []
  for (const groupId of ids) lags.push(await admin.groupLag(groupId))
  return lagRows(lags)
}

function lagRows(lags: readonly GroupLag[]): Rows {
  const objects = lags.flatMap(({ groupId: group, partitions }) =>
    partitions.map(({ member, ...each }) => ({
      group,
      ...each,
      memberId: member?.memberId ?? null,
      clientHost: member?.clientHost ?? null,
      clientId: member?.clientId ?? null,
    })),
  )
  return {
    head: [
      'GROUP',
      'TOPIC',
      'PARTITION',
      'CURRENT-OFFSET',
      'LOG-END-OFFSET',
      'LAG',
      'CONSUMER-ID',
      'HOST',
      'CLIENT-ID',
    ],
    cells: objects.map(each => [
      each.group,
      each.topic,
      each.partition,
      each.offset,
      each.endOffset,
      each.lag,
      each.memberId,
      each.clientHost || null,
      each.clientId,
    ]),
    objects,
  }
}

function memberRows(groups: readonly GroupDescription[]): Rows {
  const objects = groups.flatMap(({ groupId: group, members }) =>
    members.map(member => ({ group, ...member })),
  )
  return {
    head: ['GROUP', 'CONSUMER-ID', 'HOST', 'CLIENT-ID', '#PARTITIONS', 'ASSIGNMENT'],
    cells: objects.map(({ group, memberId, clientHost, clientId, partitions }) => [
      group,
      memberId,
      clientHost || null,
      clientId,
      partitions.length,
      partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(',') || null,
    ]),
    objects,
  }
}

function stateRows(groups: readonly GroupDescription[]): Rows {
  const objects = groups.map(({ groupId: group, coordinator, assignor, state, members }) => ({
    group,
    coordinator,
    assignor,
    state,
    members: members.length,
  }))
  return {
    head: ['GROUP', 'COORDINATOR', 'ASSIGNOR', 'STATE', '#MEMBERS'],
    cells: objects.map(row => Object.values(row)),
    objects,
  }
}

// ── changing ─────────────────────────────────────────────────────────────────────────────

async function deleteGroup(
  group: string,
  { dir }: GroupsOptions,
  output: Output,
): Promise<void> {
  await writing(dir, output, async ({ admin }) => {
    // This process owns the folder, so members of earlier processes are dead.
    await admin.removeGroupMembers({ groupId: group })
    await admin.deleteGroups([group])
  })
}
