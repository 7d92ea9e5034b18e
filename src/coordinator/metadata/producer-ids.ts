/** Producer ids: the controller hands them out to brokers in blocks. Pure. */

import type { Decision } from '../fold/state-machine.js'
import { journalRecord, type ClusterImage } from './cluster-image.js'

/** Ids in a block: Kafka's number. */
export const PRODUCER_ID_BLOCK = 1_000

/** The first id of a block that is the broker's from now on. */
export function allocateProducerIds(image: ClusterImage, brokerId: number): Decision<number> {
  const first = image.nextProducerId
  const nextProducerId = first + PRODUCER_ID_BLOCK
  const { brokerEpoch = -1 } = image.brokers.get(brokerId) ?? {}
  const record = { kind: 'ProducerIds', brokerId, brokerEpoch, nextProducerId } as const
  return { records: [journalRecord(record)], answer: first }
}
