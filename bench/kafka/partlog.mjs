/** partlog for Kafka's clients, in a process of its own. Kafka waits for no sync: nor does it. */

import { Cluster } from '../../dist/index.js'

const [, , dir] = process.argv
const cluster = await Cluster.open({ dir, durability: 'process' })
const { bootstrap } = await cluster.listen({ port: 0 })
console.log(bootstrap[0])
process.once('SIGTERM', () => void cluster.close())
