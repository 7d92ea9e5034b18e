/** Settings of topics. */

import type { Request } from '../../../src/protocol/api.js'
import { ends, NO_TOPIC, type Place } from './place.js'

const TOPIC = 2
const BROKER = 4

export async function settings({ ask }: Place): Promise<void> {
  type Resource = Request<'DescribeConfigs'>['resources'][number]
  const resource = (name: string, more: Partial<Resource> = {}): Resource => ({
    resourceType: TOPIC,
    resourceName: name,
    configurationKeys: ['retention.ms', 'cleanup.policy'],
    ...more,
  })
  const about = (title: string, list: readonly Resource[], version = 4, more: object = {}) =>
    ask(title, 'DescribeConfigs', version, { resources: [...list], ...more })
  for (const version of ends('DescribeConfigs')) {
    await about('two settings', [resource('orders')], version)
    await about('nothing', [], version)
  }
  await about(
    'all, with what they fall back to',
    [resource('orders', { configurationKeys: null })],
    4,
    {
      includeSynonyms: true,
    },
  )
  await about('a topic that is not there', [resource(NO_TOPIC)])
  await about('a name that is none', [resource('a b')])
  await about('an empty name', [resource('')])
  await about('one twice', [resource('orders'), resource('orders')])
  await about('a setting that is none', [
    resource('orders', { configurationKeys: ['nothing', 'retention.ms'] }),
  ])
  await about('no settings', [resource('orders', { configurationKeys: [] })])
  for (const resourceType of [0, 1, 3, 99]) {
    await about(`resource type ${resourceType}`, [resource('orders', { resourceType })])
  }
  for (const name of ['x', '7']) {
    await about(`broker "${name}"`, [resource(name, { resourceType: BROKER })])
  }
  await alteration({ ask })
}

const SET = 0
const DELETE = 1
const APPEND = 2
const SUBTRACT = 3

async function alteration({ ask }: Pick<Place, 'ask'>): Promise<void> {
  type Change = readonly [name: string, operation: number, value: string | null]
  const alter = (title: string, name: string, changes: readonly Change[], more: object = {}) =>
    ask(title, 'IncrementalAlterConfigs', 1, {
      resources: [
        {
          resourceType: TOPIC,
          resourceName: name,
          configs: changes.map(([setting, configOperation, value]) => ({
            name: setting,
            configOperation,
            value,
          })),
          ...more,
        },
      ],
      validateOnly: false,
    })
  await alter('set', 'orders', [['retention.ms', SET, '5000']])
  await alter('nothing', 'orders', [])
  await alter('delete what was set', 'orders', [['retention.ms', DELETE, null]])
  await alter('delete what was not set', 'orders', [['retention.ms', DELETE, null]])
  await alter('delete what is none', 'orders', [['nothing', DELETE, null]])
  await alter('delete with a value', 'orders', [['retention.ms', DELETE, '5']])
  await alter('set what is none', 'orders', [['nothing', SET, '1']])
  await alter('set to nothing', 'orders', [['retention.ms', SET, null]])
  await alter('set to a value that is none', 'orders', [['retention.ms', SET, 'x']])
  await alter('an operation that is none', 'orders', [['retention.ms', 9, '1']])
  await alter('an empty name', 'orders', [['', SET, '1']])
  await alter('append', 'orders', [['cleanup.policy', APPEND, 'compact']])
  await alter('append what is there', 'orders', [['cleanup.policy', APPEND, 'compact']])
  await alter('append with blanks', 'orders', [['cleanup.policy', APPEND, ' compact ']])
  await alter('subtract', 'orders', [['cleanup.policy', SUBTRACT, 'compact']])
  await alter('subtract what is not there', 'orders', [['cleanup.policy', SUBTRACT, 'compact']])
  await alter('subtract all', 'orders', [['cleanup.policy', SUBTRACT, 'delete']])
  await alter('append to a number', 'orders', [['retention.ms', APPEND, '1']])
  await alter('append nothing', 'orders', [['cleanup.policy', APPEND, null]])
  await alter('one setting twice', 'orders', [
    ['retention.ms', SET, '1'],
    ['retention.ms', SET, '2'],
  ])
  await alter('a topic that is not there', NO_TOPIC, [['retention.ms', SET, '1']])
  await alter('a name that is none', 'a b', [['retention.ms', SET, '1']])
  await alter('an empty topic', '', [['retention.ms', SET, '1']])
  for (const resourceType of [0, 1, 99]) {
    await alter(`resource type ${resourceType}`, 'orders', [['retention.ms', SET, '1']], {
      resourceType,
    })
  }
  const one = {
    resourceType: TOPIC,
    resourceName: 'orders',
    configs: [{ name: 'retention.ms', configOperation: SET, value: '1' }],
  }
  await ask('one topic twice', 'IncrementalAlterConfigs', 1, {
    resources: [one, one],
    validateOnly: false,
  })
  const replace = (title: string, name: string, configs: readonly [string, string | null][]) =>
    ask(title, 'AlterConfigs', 2, {
      resources: [
        {
          resourceType: TOPIC,
          resourceName: name,
          configs: configs.map(([setting, value]) => ({ name: setting, value })),
        },
      ],
      validateOnly: false,
    })
  await replace('all', 'orders', [['retention.ms', '6000']])
  await replace('all by none', 'orders', [])
  await replace('by what is none', 'orders', [['nothing', '1']])
  await replace('by no value', 'orders', [['retention.ms', null]])
  await replace('of a topic that is not there', NO_TOPIC, [['retention.ms', '1']])
}
