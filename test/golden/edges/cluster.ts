/** Brokers and elections. */

import type { Request } from '../../../src/protocol/api.js'
import { ends, NO_TOPIC, type Place } from './place.js'

export async function cluster({ ask }: Place): Promise<void> {
  for (const version of [0, 1, 2]) {
    await ask('the brokers', 'DescribeCluster', version, {
      includeClusterAuthorizedOperations: true,
    })
  }
  for (const endpointType of [0, 2, 3]) {
    await ask(`endpoints of type ${endpointType}`, 'DescribeCluster', 1, {
      includeClusterAuthorizedOperations: false,
      endpointType,
    })
  }
  type Asked = Request<'ElectLeaders'>['topicPartitions']
  const elect = (title: string, topicPartitions: Asked, electionType = 0, version = 2) =>
    ask(title, 'ElectLeaders', version, { electionType, topicPartitions, timeoutMs: 5_000 })
  for (const version of ends('ElectLeaders')) {
    await elect('of one that leads', [{ topic: 'orders', partitions: [0] }], 0, version)
  }
  await elect('of one that leads, whoever it is', [{ topic: 'orders', partitions: [0] }], 1)
  await elect('of a topic that is not there', [{ topic: NO_TOPIC, partitions: [0] }])
  await elect('of a partition that is not there', [{ topic: 'orders', partitions: [9, -1] }])
  await elect('of none', [])
  await elect('of a type that is none', [{ topic: 'orders', partitions: [0] }], 7)
}
