/*
 * InitProducerId (v0–v4): an id for a producer, so that a batch it sends twice is written once.
 *
 * A broker allocates ids from the controller in blocks. A block is committed before its first id is
 * used, so no id is used twice; the unused ids of a block are lost when the broker ends.
 */

import { assert } from '../../base/assert.js'
import { allocateProducerIds, PRODUCER_ID_BLOCK } from '../../coordinator/metadata/producer-ids.js'
import { PartlogError } from '../../model/errors.js'
import { NONE } from '../../model/units.js'
import type {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../protocol/messages/producer-ids.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext, ControllerDoor, ProducerIdSource } from '../node/context.js'
import { initTransactionalProducer } from './transaction-requests.js'

const FAILED = { producerId: -1, producerEpoch: -1 }

export class ProducerIds implements ProducerIdSource {
  readonly #brokerId: number
  readonly #controller: Pick<ControllerDoor, 'run'>
  #next = 0
  #end = 0
  #allocation: Promise<void> | undefined

  constructor(brokerId: number, controller: Pick<ControllerDoor, 'run'>) {
    this.#brokerId = brokerId
    this.#controller = controller
  }

  next(): number | Promise<number> {
    return this.#next < this.#end ? this.#next++ : this.#fromNextBlock()
  }

  /** Concurrent requests share one allocation. */
  async #fromNextBlock(): Promise<number> {
    while (this.#next >= this.#end) {
      this.#allocation ??= this.#allocate().finally(() => (this.#allocation = undefined))
      await this.#allocation
    }
    return this.#next++
  }

  async #allocate(): Promise<void> {
    const first = await this.#controller.run(image => allocateProducerIds(image, this.#brokerId))
    assert(first >= this.#end, 'ids of a later block were never used', { first, end: this.#end })
    this.#next = first
    this.#end = first + PRODUCER_ID_BLOCK
  }
}

/** Returns a new id, also to a producer that has one: only transactions would keep the old id. */
export function initProducerId(
  broker: BrokerContext,
  request: InitProducerIdRequest,
): InitProducerIdResponse | Promise<InitProducerIdResponse> {
  const { transactionalId, producerId = NONE, producerEpoch = NONE } = request
  if (transactionalId !== null) {
    return initTransactionalProducer(broker, { ...request, transactionalId })
  }
  if ((producerId === NONE) !== (producerEpoch === NONE)) {
    const sentence = `producer id ${producerId} and epoch ${producerEpoch}: expected both or none`
    const error = new PartlogError('INVALID_REQUEST', sentence)
    return { ...errorFields(error), ...FAILED }
  }
  const id = broker.producerIds.next()
  if (typeof id === 'number') return answerOf(id)
  return id.then(answerOf, (error: unknown) => ({ ...errorFields(error), ...FAILED }))
}

function answerOf(producerId: number): InitProducerIdResponse {
  return { ...NO_ERROR, producerId, producerEpoch: 0 }
}
