/** kafka-python. */

import { pythonClient } from './python.mjs'

export const client = pythonClient({
  name: 'kafka-python',
  module: 'kafka',
  script: 'with_kafka_python.py',
  steps: [
    ...['createTopic', 'deleteTopic', 'listTopics', 'describeTopic', 'produce', 'committed'],
    ...['offsets', 'describeGroup', 'listGroups', 'deleteGroup'],
  ],
})
