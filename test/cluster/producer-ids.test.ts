/** Producer ids and what a broker does with them, through a whole cluster. */

import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import type { BrokerContext, ControllerDoor } from '../../src/broker/node/context.js'
import { initProducerId, ProducerIds } from '../../src/broker/requests/producer-id-requests.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { StateMachine } from '../../src/coordinator/fold/state-machine.js'
import { admitBroker } from '../../src/coordinator/metadata/brokers.js'
import { ClusterImage } from '../../src/coordinator/metadata/cluster-image.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { Batch, batchesOf } from '../../src/model/batch/batch.js'
import { decodeMetadataRecord } from '../../src/protocol/messages/metadata-records.js'
import { ArrayJournal } from '../coordinator/fold/array-journal.js'
import { intercept } from '../client/world.js'

async function controllerOf(journal: ArrayJournal): Promise<Pick<ControllerDoor, 'run'>> {
  const machine = await StateMachine.load(journal, new ClusterImage())
  return { run: decide => machine.run(decide) }
}

describe('ids', () => {
  it('producer ids are never used twice: not by two brokers, not after a crash', async () => {
    const journal = new ArrayJournal()
    const given = new Set<number>()
    let count = 0
    for (let life = 0; life < 3; life++) {
      const controller = await controllerOf(journal)
      const brokers = [1, 2].map(id => new ProducerIds(id, controller))
      for (let n = 0; n < 1_500; n++) {
        for (const ids of brokers) given.add(await ids.next())
        count += 2
      }
    }
    expect(given.size).toBe(count)
    expect(journal.records).toHaveLength(12)
  })

  it('concurrent requests for producer ids share a block', async () => {
    const journal = new ArrayJournal()
    const ids = new ProducerIds(1, await controllerOf(journal))
    const wanted = await Promise.all(Array.from({ length: 1_001 }, () => ids.next()))
    expect(new Set(wanted).size).toBe(1_001)
    expect(journal.records).toHaveLength(2)
    expect(ids.next()).toBeTypeOf('number') // at once
  })

  it('a block of producer ids is registered with its broker', async () => {
    const journal = new ArrayJournal()
    const controller = await controllerOf(journal)
    const broker = { id: 2, rack: null }
    for (let n = 0; n < 3; n++) await controller.run(image => admitBroker(image, broker))
    await new ProducerIds(2, controller).next()
    const { value } = journal.records.at(-1) as { value: Uint8Array }
    const record = { kind: 'ProducerIds', brokerId: 2, brokerEpoch: 2, nextProducerId: 1_000 }
    expect(decodeMetadataRecord(value)).toEqual(record)
  })

  it('errors of the controller are passed on', async () => {
    const controller = {
      image: new ClusterImage(),
      run: () => Promise.reject(new Error('no')),
    } as Pick<ControllerDoor, 'run'>
    const broker = { producerIds: new ProducerIds(1, controller) } as unknown as BrokerContext
    const request = { transactionalId: null, transactionTimeoutMs: 1 }
    const answer = await initProducerId(broker, request)
    expect(answer).toMatchObject({ errorCode: -1, producerId: -1, producerEpoch: -1 })
  })
})

describe('a cluster', () => {
  it('a reopened cluster recognises a duplicate batch', async () => {
    const disk = new MemoryDisk()
    const opened = async (): Promise<Cluster> => {
      const cluster = await Cluster.onDisk(disk, { random: seededRandom(1) })
      onTestFinished(() => cluster.close())
      return cluster
    }
    const sent: Buffer[] = []
    intercept((api, request, next) => {
      if (api !== 'Produce') return next()
      const bytes = recordsOf(request)
      if (sent.length === 2)
        bytes.set(sent[0] as Buffer) // they are as long
      else sent.push(Buffer.from(bytes))
      return next()
    })
    const before = await opened()
    await before.producer().send({ topic: 'orders', messages: [{ value: 'a' }] })
    await before.close()
    const after = await opened()
    const producer = after.producer()
    await producer.send({ topic: 'orders', messages: [{ value: 'b' }] })
    const [first, second] = sent.map(bytes => new Batch(bytes, 0).producerId)
    expect(second).toBe((first as number) + 1_000) // the rest of the block is lost
    const again = await producer.send({ topic: 'orders', messages: [{ value: 'c' }] })
    expect(again).toMatchObject([{ offset: 0 }])
  })

  it('a cluster forgets producers after a day, not earlier', async () => {
    const clock = new VirtualClock()
    const cluster = await Cluster.memory({ clock })
    onTestFinished(() => cluster.close())
    const producer = cluster.producer()
    let first: Buffer | undefined
    intercept((api, request, next) => {
      if (api !== 'Produce') return next()
      first ??= Buffer.from(recordsOf(request))
      recordsOf(request).set(first)
      return next()
    })
    const send = (): Promise<unknown> =>
      producer.send({ topic: 'orders', messages: [{ value: 'a', headers: { kind: 'no short way' } }] })
    expect(await send()).toMatchObject([{ offset: 0 }])
    await clock.advance(86_000_000)
    expect(await send()).toMatchObject([{ offset: 0 }])
    await clock.advance(1_000_000)
    expect(await send()).toMatchObject([{ offset: 1 }])
  })
})

interface Produced {
  readonly topicData: readonly { readonly partitionData: readonly { readonly records: Buffer }[] }[]
}

/** The bytes of the one batch in a request. */
function recordsOf(request: unknown): Buffer {
  const { topicData } = request as Produced
  const bytes = topicData[0]?.partitionData[0]?.records as Buffer
  return [...batchesOf(bytes)].length === 1 ? bytes : Buffer.alloc(0)
}
