/*
 * The classes of clients. A cluster exists only after an `await`, so they are loaded with its parts
 * and not when the library is imported: the import takes 6 instead of 15 ms of CPU.
 */

import { ClosableAdmin } from './admin/admin.js'
import { ConsumerClient } from './consumer/consumer.js'
import type { ClientFactory } from './kafka-cluster.js'
import { ProducerClient } from './producer/producer.js'
import { TransactionalProducerClient } from './producer/transactional-producer.js'

export const CLIENT_FACTORY: ClientFactory = {
  producer: (context, options) =>
    options.transactionalId === undefined
      ? new ProducerClient(context, options)
      : new TransactionalProducerClient(context, options),
  consumer: (context, options) => new ConsumerClient<unknown, unknown>(context, options),
  admin: (context, options) => new ClosableAdmin(context, options),
}
