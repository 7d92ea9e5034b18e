/* Producer ids: the controller allocates them to brokers in blocks. Pure. */

import type { Decision } from '../fold/state-machine.js'
import { journalRecord, type ClusterImage } from './cluster-image.js'

/** Ids in a block, as in Kafka. */
export const PRODUCER_ID_BLOCK = 1_000

/** Allocates a block of producer ids to a broker and answers its first id. */
export function allocateProducerIds(image: ClusterImage, brokerId: number): Decision<number> {
  const first = image.nextProducerId
  const nextProducerId = first + PRODUCER_ID_BLOCK
  const { brokerEpoch = -1 } = image.brokers.get(brokerId) ?? {}
  const record = { kind: 'ProducerIds', brokerId, brokerEpoch, nextProducerId } as const
  return { records: [journalRecord(record)], answer: first }
}
