/** The log of a real Kafka 4.4 broker whose group two consumers joined and left, folded here. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  currentRecord,
  memberRecord,
  readConsumerGroupRecord,
  targetRecord,
} from '../../../src/coordinator/consumer-groups/consumer-group-journal.js'
import { listed } from '../../../src/coordinator/consumer-groups/partition-sets.js'
import type { JournalRecord } from '../../../src/coordinator/fold/journal.js'
import { KeptGroups } from '../../../src/coordinator/groups/kept-groups.js'

const file = new URL('../../golden/consumer-group.txt', import.meta.url)
const RECORDS: readonly JournalRecord[] = readFileSync(file, 'utf8')
  .trimEnd()
  .split('\n')
  .map(line => {
    const [key = '', value = ''] = line.split(' ')
    return {
      key: Buffer.from(key, 'hex'),
      value: value === 'null' ? null : Buffer.from(value, 'hex'),
    }
  })

/** After each record: epochs, state, and what each member owns and gives back. */
function history(): string[] {
  const groups = new KeptGroups()
  return RECORDS.map(record => {
    groups.replay(record)
    const group = groups.find('g')?.consumer
    if (group === undefined) return 'none'
    const members = [...group.members.values()].map(member => {
      const [assigned, revoking] = [member.assigned, member.revoking].map(owned =>
        listed(owned).flatMap(({ partitions }) => partitions),
      )
      const back = revoking?.length === 0 ? '' : ` gives back ${revoking?.join()}`
      return `${member.clientId}@${member.epoch} ${member.progress} ${assigned?.join()}${back}`
    })
    return [`${group.epoch}/${group.assignmentEpoch} ${group.state}`, ...members].join(' | ')
  })
}

describe('a group in the log of Kafka 4.4', () => {
  it('its states are those that Kafka had', () => {
    expect([...new Set(history())]).toEqual([
      '1/0 Assigning | a@0 stable ',
      '2/0 Assigning | a@0 stable ',
      '2/2 Reconciling | a@0 stable ',
      '2/2 Stable | a@2 stable 0,1,2',
      '2/2 Reconciling | a@2 stable 0,1,2 | b@0 stable ',
      '2/2 Stable | a@2 stable 0,1,2 | b@2 stable ',
      '3/2 Assigning | a@2 stable 0,1,2 | b@2 stable ',
      '3/3 Reconciling | a@2 stable 0,1,2 | b@2 stable ',
      '3/3 Reconciling | a@2 stable 0,1,2 | b@3 unreleased ',
      '3/3 Reconciling | b@3 unreleased  | a@2 unrevoked 0,1 gives back 2',
      '3/3 Reconciling | b@3 unreleased  | a@3 stable 0,1',
      '3/3 Stable | a@3 stable 0,1 | b@3 stable 2',
      '3/3 Reconciling | a@3 stable 0,1 | b@0 stable ',
      '3/3 Stable | a@3 stable 0,1',
      '4/3 Assigning | a@3 stable 0,1',
      '4/4 Reconciling | a@3 stable 0,1',
      '4/4 Stable | a@4 stable 0,1,2',
      '4/4 Reconciling | a@0 stable ',
      '4/4 Empty',
      '5/4 Empty',
      '5/5 Empty',
      '5/0 Empty',
      'none',
    ])
  })

  it('what is read is written again as the same bytes', () => {
    const groups = new KeptGroups()
    let count = 0
    for (const record of RECORDS) {
      groups.replay(record)
      const { key, value } = record
      const kind = (key as Buffer).readInt16BE()
      const read = readConsumerGroupRecord(kind, { key: key as Buffer, value })
      const group = groups.find('g')?.consumer
      if (value === null || read === undefined || group === undefined) continue
      const member = 'memberId' in read ? group.members.get(read.memberId) : undefined
      if (member === undefined) continue
      const written = {
        member: () => memberRecord('g', member),
        current: () => currentRecord('g', member),
        target: () => targetRecord('g', member.memberId, group.targetOf(member.memberId)),
      }[read.kind as 'member' | 'current' | 'target']()
      expect(written).toEqual(record)
      count++
    }
    expect(count).toBeGreaterThan(12)
  })

  it('a partition has one owner; a group ends with its record, offsets or not', () => {
    const groups = new KeptGroups()
    for (const record of RECORDS) groups.replay(record)
    expect(groups.find('g')).toBeUndefined()
    expect(groups.size).toBe(0)
  })

  it('tombstones of groups that are not known make no group', () => {
    const groups = new KeptGroups()
    for (const { key } of RECORDS) groups.replay({ key, value: null })
    expect(groups.size).toBe(0)
  })

  it('records that only other versions of Kafka know change nothing', () => {
    const groups = new KeptGroups()
    for (const kind of [9, 10, 15, 17, 23, 99]) {
      const key = Buffer.concat([Buffer.from([0, kind]), Buffer.from('000167', 'hex')])
      groups.replay({ key, value: Buffer.from('0000', 'hex') })
    }
    expect(groups.size).toBe(0)
  })
})
