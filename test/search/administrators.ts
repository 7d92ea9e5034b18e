/** The programs that administer a cluster: one act after the other, each noted. */

import type { Random } from '../../src/base/random.js'
import type { AdminClient } from '../../src/client/admin/admin-api.js'
import { isPartlogError } from '../../src/model/errors.js'
import type { Program } from '../../src/testing/simulation/app-process.js'
import { between, pick, streamOf } from '../../src/testing/simulation/streams.js'
import { drawSettings } from './draw-administration.js'
import type { Asked, History } from './history.js'
import type { Stage } from './programs.js'
import type { Act, AdministratorShape, TopicShape } from './shape.js'

/** So long that no request is on its way any more when it is sent again. */
const REQUEST_TIMEOUT_MS = 60_000
const PARTITIONS_MAX = 6

interface Desk {
  readonly stage: Stage
  readonly random: Random
  readonly admin: AdminClient
}

export function administratorProgram(stage: Stage, shape: AdministratorShape): Program {
  let begun = 0
  return async own => {
    const { cluster, life, sleep } = own
    const random = streamOf(stage.seed, `${shape.name} ${life}`)
    const limits = { requestTimeoutMs: REQUEST_TIMEOUT_MS, defaultApiTimeoutMs: REQUEST_TIMEOUT_MS }
    const admin = cluster.adminClient({ clientId: shape.name, ...limits })
    const desk: Desk = { stage, random, admin }
    while (begun < shape.count) {
      await stage.hold(shape.name, own)
      begun++
      const act = pick(random, shape.acts)
      const fitting = shape.topics.filter(({ isRemade }) => isRemade || !ONLY_REMADE.has(act))
      await DO[act](desk, pick(random, fitting))
      await sleep(between(random, 1, shape.pauseMaxMs))
    }
    await admin.close()
  }
}

/** Of other topics something must be left at the end. */
const ONLY_REMADE: ReadonlySet<Act> = new Set(['make', 'delete'])

const DO: Readonly<Record<Act, (desk: Desk, topic: TopicShape) => Promise<void>>> = {
  'make': ({ stage, admin }, shape) => makeTopic(stage.history, admin, shape),
  'delete': async ({ stage, admin }, { topic }) => {
    await noted(stage.history, topic, { act: 'delete' }, () => admin.deleteTopic(topic))
  },
  'grow': async ({ stage, admin, random }, { topic }) => {
    const partitions = between(random, 1, PARTITIONS_MAX)
    const growing = (): Promise<void> => admin.createPartitions({ topic, partitions })
    await noted(stage.history, topic, { act: 'grow', partitions }, growing)
  },
  'settings': async ({ stage, admin, random }, shape) => {
    const { topic } = shape
    const config = drawSettings(random, shape)
    const asked = { act: 'set', settings: textsOf(config) } as const
    await noted(stage.history, topic, asked, () => admin.alterConfig({ topic, config }))
  },
  'describe': async ({ stage, admin, random }, { topic }) => {
    if (random.int(2) === 0) await notePartitions(stage.history, admin, topic)
    else await noteSettings(stage.history, admin, topic)
  },
  'delete records': async ({ stage, admin, random }, { topic }) => {
    const known = await admin.listOffsets({ topic }).catch(() => [])
    if (known.length === 0) return
    const { partition, offset: end } = pick(random, known)
    const offset = random.int((end ?? 0) + 1)
    const deletion = { topic, partition, offset, atMs: stage.nowMs(), start: -1 }
    stage.history.deletions.push(deletion)
    await admin.deleteRecords({ topic, partition, offset }).then(
      start => (deletion.start = start),
      error => expectTyped(stage, error),
    )
  },
  'elect': async ({ stage, admin, random }, { topic, allowsUnclean }) => {
    const type = allowsUnclean ? pick(random, ['preferred', 'unclean'] as const) : 'preferred'
    const partitions = [{ topic, partition: random.int(2) }]
    await admin.electLeaders({ type, partitions }).catch(error => expectTyped(stage, error))
  },
}

export async function makeTopic(
  history: History,
  admin: Pick<AdminClient, 'createTopic'>,
  { topic, partitions, replicationFactor, config }: TopicShape,
): Promise<void> {
  const asked = { act: 'make', partitions, settings: textsOf(config) } as const
  const making = (): Promise<void> =>
    admin.createTopic({ topic, partitions, replicationFactor, config })
  await noted(history, topic, asked, making)
}

/** How many partitions a topic has, or that it does not exist. */
export async function notePartitions(
  history: History,
  admin: Pick<AdminClient, 'describeTopic'>,
  topic: string,
): Promise<void> {
  const look = async () => String((await admin.describeTopic(topic)).partitions.length)
  await noted(history, topic, { act: 'count' }, look)
}

/** The settings of a topic that are not defaults. */
export async function noteSettings(
  history: History,
  admin: Pick<AdminClient, 'describeConfig'>,
  topic: string,
): Promise<void> {
  const look = async (): Promise<string> => {
    const settings = (await admin.describeConfig(topic)).filter(({ isDefault }) => !isDefault)
    return JSON.stringify(settings.map(({ name, value }) => [name, value]).sort())
  }
  await noted(history, topic, { act: 'look' }, look)
}

async function noted(
  history: History,
  topic: string,
  asked: Asked,
  call: () => Promise<string | void>,
): Promise<void> {
  const change = { topic, ...asked, from: history.tick(), to: Infinity, answer: 'unknown' }
  history.changes.push(change)
  try {
    change.answer = (await call()) ?? 'ok'
    history.onChange()
  } catch (error) {
    if (!isPartlogError(error)) throw error
    change.answer = error.outcomeUnknown ? 'unknown' : error.code
  }
  change.to = history.tick()
}

function expectTyped(stage: Stage, error: unknown): void {
  if (!isPartlogError(error)) stage.fail(`an administrator was told ${String(error)}`)
}

function textsOf(config: Readonly<Record<string, unknown>>): Record<string, string | null> {
  const entries = Object.entries(config).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries.map(([name, value]) => [name, value === null ? null : String(value)]))
}
