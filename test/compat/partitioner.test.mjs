/** A key goes to the same partition with partlog as with kafkajs. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur2 as theirMurmur2, partitionerOf } from './kafkajs.mjs'
import { Cluster, murmur2, partitionOfKey } from './partlog.mjs'

const PARTITION_COUNT = 31
const KEY_COUNT = 4_000

/** The same keys in every run: a failure can be looked at again (mulberry32). */
function seeded(seed) {
  let state = seed
  return max => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % max
  }
}

const ALPHABETS = [
  'abcdefghijklmnopqrstuvwxyz0123456789-_',
  'äöüßéñçøå',
  'ключзаказ',
  '大きい注文鍵',
  '\u{1f40e}\u{1f600}\u{10ffff}',
  '\u0000\u007f\u0080\u07ff\u0800\uffff',
  // Half a pair has no UTF-8; Node and Kafka's Java client both put a sign in its place.
  'a\ud83d',
]

/** Short and long, of one alphabet or of all. */
function randomKeys() {
  const below = seeded(42)
  return Array.from({ length: KEY_COUNT }, (_, index) => {
    const alphabet = [...(ALPHABETS[index % (ALPHABETS.length + 1)] ?? ALPHABETS.join(''))]
    const length = below(index % 10 === 0 ? 400 : 20)
    return Array.from({ length }, () => alphabet[below(alphabet.length)]).join('')
  })
}

const keys = randomKeys()
const theirs = partitionerOf(PARTITION_COUNT)

test('murmur2', () => {
  for (const key of keys) {
    assert.equal(murmur2(Buffer.from(key)), theirMurmur2(key), JSON.stringify(key))
  }
})

test('the partition of bytes', () => {
  for (const key of keys) {
    const bytes = Buffer.from(key)
    assert.equal(partitionOfKey(bytes, PARTITION_COUNT), theirs(bytes), JSON.stringify(key))
  }
})

for (const [form, toKey] of [
  ['text', key => key],
  ['bytes', key => Buffer.from(key)],
]) {
  test(`where a producer puts records whose keys are ${form}`, async () => {
    const cluster = await Cluster.memory()
    await cluster.admin.createTopic({ topic: 'orders', partitions: PARTITION_COUNT })
    const messages = keys.map(key => ({ key: toKey(key), value: null }))
    const metas = await cluster.producer().send({ topic: 'orders', messages })
    await cluster.close()
    for (const [index, { partition }] of metas.entries()) {
      assert.equal(partition, theirs(toKey(keys[index])), JSON.stringify(keys[index]))
    }
  })
}
