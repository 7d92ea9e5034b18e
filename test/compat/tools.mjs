/**
 * Kafka's own tools at partlog and at a real broker, side by side: `node tools.mjs [name…]`.
 * Prints what each says; ends with 1 if one ends otherwise at partlog than at the broker.
 */

import { execFile } from 'node:child_process'
import { startBroker } from './kafka/broker.mjs'
import { CLASSPATH, missingKafka } from './kafka/jars.mjs'
import { Cluster } from './partlog.mjs'

const QUIET = '-Dorg.slf4j.simpleLogger.defaultLogLevel=off'
const JAVA = ['-Xmx256m', '-XX:TieredStopAtLevel=1', QUIET, ...CLASSPATH]
const TOOL_MS = 60_000
const LINES = 8

const config = (type, name, ...rest) => [
  ...['ConfigCommand', '--entity-type', type, '--entity-name', name],
  ...rest,
]
const set = setting => ['--alter', '--add-config', setting]
const TOOLS = {
  create: ['TopicCommand', '--create', '--topic', 't'],
  brokers: config('brokers', '1', '--describe', '--all'),
  'set-groups': config('groups', 'g', ...set('consumer.session.timeout.ms=50000')),
  groups: config('groups', 'g', '--describe'),
  'set-users': config('users', 'zoe', ...set('producer_byte_rate=1024')),
  users: config('users', 'zoe', '--describe'),
  'set-topics': config('topics', 't', ...set('flush.ms=1000')),
  topics: ['TopicCommand', '--describe', '--topic', 't'],
  'set-client-metrics': ['ClientMetricsCommand', '--alter', '--name', 'm', '--interval', '5000'],
  'client-metrics': ['ClientMetricsCommand', '--describe'],
  'log-dirs': ['LogDirsCommand', '--describe'],
  quorum: ['MetadataQuorumCommand', 'describe', '--status'],
  replication: ['MetadataQuorumCommand', 'describe', '--replication'],
  features: ['FeatureCommand', 'describe'],
  acls: ['AclCommand', '--list'],
  elections: ['LeaderElectionCommand', '--election-type', 'preferred', '--all-topic-partitions'],
  reassignments: ['reassign.ReassignPartitionsCommand', '--list'],
  'all-groups': ['GroupsCommand', '--list'],
  'consumer-groups': ['consumer.group.ConsumerGroupCommand', '--list'],
  offsets: ['GetOffsetShell', '--topic', 't'],
  versions: ['BrokerApiVersionsCommand'],
}

function run(address, [tool, ...options]) {
  // Tools with a verb want the server before it.
  const all = ['--bootstrap-server', address, ...options]
  const command = [...JAVA, `org.apache.kafka.tools.${tool}`, ...all]
  return new Promise(resolve => {
    execFile('java', command, { timeout: TOOL_MS }, (error, stdout, stderr) => {
      const lines = `${stdout}${stderr}`.split('\n')
      const said = lines.filter(line => line !== '' && !/SLF4J|^\s+at |^WARN/.test(line))
      resolve({ status: error?.code ?? 0, text: said.slice(0, LINES).join('\n') })
    })
  })
}

const missing = missingKafka()
if (missing !== undefined) throw new Error(missing)
const broker = await startBroker()
const cluster = await Cluster.memory()
try {
  const { bootstrap } = await cluster.listen({ port: 0 })
  const wanted = process.argv.slice(2)
  for (const [name, tool] of Object.entries(TOOLS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const [ours, theirs] = [await run(bootstrap[0], tool), await run(broker.address, tool)]
    const isSame = ours.status === theirs.status
    if (!isSame) process.exitCode = 1
    console.log(`## ${name}: ${isSame ? `both end with ${ours.status}` : 'different'}`)
    console.log(`partlog (${ours.status})\n${ours.text}`)
    console.log(`Kafka (${theirs.status})\n${theirs.text}\n`)
  }
} finally {
  await cluster.close()
  await broker.stop()
}
