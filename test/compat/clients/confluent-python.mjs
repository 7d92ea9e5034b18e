/** confluent_kafka: Python on librdkafka. */

import { pythonClient } from './python.mjs'

export const client = pythonClient({
  name: 'confluent_kafka',
  module: 'confluent_kafka',
  script: 'with_confluent.py',
  steps: [
    ...['createTopic', 'deleteTopic', 'listTopics', 'describeTopic', 'produce', 'committed'],
    ...['offsets', 'describeGroup', 'listGroups'],
  ],
})
