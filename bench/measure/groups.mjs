/** Groups: what a rebalance takes, what idle members and commits cost, how commits add up. */

import { performance } from 'node:perf_hooks'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn, setTimeout as after } from 'node:timers/promises'
import { Cluster, virtualClock } from '../../dist/index.js'
import { TOPIC } from '../parts/topic.mjs'

const GROUP = 'bench'

function membersOf(cluster, count, options = {}) {
  return Array.from({ length: count }, (_, n) =>
    cluster.consumer({ groupId: GROUP, clientId: `m-${n}`, ...options }),
  )
}

/** From the join of one more member until all members have their partitions. */
async function rebalance({ members, partitions, strategy }) {
  const cluster = await Cluster.memory()
  await cluster.admin.createTopic({ topic: TOPIC, partitions })
  const options = { partitionAssignmentStrategy: [strategy] }
  const all = membersOf(cluster, members + 1, options)
  const newcomer = all.pop()
  await Promise.all(all.map(each => each.subscribe([TOPIC])))
  const runs = all.map(each => each.run({ eachBatch() {} }))
  await shared(cluster, all, partitions)
  let rebalances = 0
  cluster.on('rebalance', () => rebalances++)
  const startedAt = performance.now()
  all.push(newcomer)
  await newcomer.subscribe([TOPIC])
  await shared(cluster, all, partitions)
  const ms = performance.now() - startedAt
  await cluster.close()
  await Promise.all(runs)
  return { ms, rebalances }
}

/** Resolves when all members own about as much and the group is stable. */
async function shared(cluster, members, partitions) {
  const least = Math.floor(partitions / members.length)
  for (;;) {
    await Promise.all(members.map(each => each.ready()))
    const counts = members.map(each => each.assignment().length)
    const isAll = counts.reduce((sum, count) => sum + count, 0) === partitions
    if (isAll && Math.min(...counts) >= least) break
    await turn()
  }
  await cluster.until({ group: GROUP, stable: true, members: members.length })
}

/**
 * CPU of idle members, less that of a cluster without members. With a long `fetchMaxWaitMs` no fetch
 * is part of it.
 */
async function idle({ members, partitions, seconds, fetchMaxWaitMs }) {
  const cluster = await Cluster.memory()
  await cluster.admin.createTopic({ topic: TOPIC, partitions })
  const alone = await cpuOver(seconds)
  const all = membersOf(cluster, members, { fetchMaxWaitMs })
  await Promise.all(all.map(each => each.subscribe([TOPIC])))
  await shared(cluster, all, partitions)
  await after(1_000)
  const us = ((await cpuOver(seconds)) - alone) / members / seconds
  await cluster.close()
  return { us }
}

async function cpuOver(seconds) {
  const before = process.cpuUsage()
  await after(seconds * 1_000)
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** Commits a second by `consumers` consumers, each awaiting one before the next. */
async function commits({ dir, durability, consumers, count }) {
  const cluster = await Cluster.open({ dir: join(dir, 'data'), durability })
  await cluster.admin.createTopic({ topic: TOPIC })
  await commitBy(cluster, consumers, Math.ceil(count / 10))
  const startedAt = performance.now()
  await commitBy(cluster, consumers, count)
  const perSecond = (count / (performance.now() - startedAt)) * 1_000
  await cluster.close()
  return { perSecond }
}

/** A consumer commits sequentially, so many commits in flight need many consumers. */
async function commitBy(cluster, consumers, count) {
  let next = 0
  const committing = async n => {
    const consumer = cluster.consumer({ groupId: `${GROUP}-${n}`, enableAutoCommit: false })
    await consumer.assign([{ topic: TOPIC, partition: 0 }])
    while (next < count) {
      await consumer.commit({ offsets: [{ topic: TOPIC, partition: 0, offset: next++ }] })
    }
    await consumer.close()
  }
  await Promise.all(Array.from({ length: consumers }, (_, n) => committing(n)))
}

/** What `count` commits leave on the disk, before and after compaction. */
async function growth({ dir, consumers, count }) {
  const folder = join(dir, 'data')
  const first = await Cluster.open({ dir: folder, durability: 'process' })
  await first.admin.createTopic({ topic: TOPIC })
  await commitBy(first, consumers, count)
  const hasCleaner = await canCompact(first)
  await first.close()
  const bytes = offsetsBytes(folder)
  return hasCleaner ? { bytes, bytesAfter: await cleaned(folder, bytes) } : { bytes }
}

async function canCompact({ admin }) {
  try {
    await admin.createTopic({ topic: 'compacted', config: { 'cleanup.policy': 'compact' } })
    return true
  } catch {
    return false
  }
}

/** An hour passes for the cluster, a minute at a time, until nothing gets smaller any more. */
async function cleaned(dir, before) {
  const clock = virtualClock(Date.now())
  const cluster = await Cluster.open({ dir, clock })
  let bytes = before
  for (let minute = 0; minute < 60; minute++) {
    await clock.advance(60_000)
    await after(100)
    const now = offsetsBytes(dir)
    if (now < before && now === bytes) break
    bytes = now
  }
  await cluster.close()
  return offsetsBytes(dir)
}

function offsetsBytes(dir) {
  const folder = join(dir, 'broker-1', '__consumer_offsets-0')
  const names = readdirSync(folder)
  return names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

const KINDS = { rebalance, idle, commits, growth }

export async function measure({ kind, ...params }) {
  return await KINDS[kind](params)
}
