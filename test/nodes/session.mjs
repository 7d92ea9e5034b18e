// Sends a record to a folder as a member of its group, and prints every record that is there.
const { ENTRY } = await import('./runtimes.mjs')
const { Cluster } = await import(ENTRY)
const [dir, value] = process.argv.slice(2)
const cluster = await Cluster.open({ dir })
await cluster.producer().send({ topic: 't', messages: [{ key: 'k', value }] })
const consumer = cluster.consumer({ autoOffsetReset: 'earliest', valueDeserializer: 'string' })
await consumer.assign([{ topic: 't', partition: 0 }])
const values = []
while (values.at(-1) !== value) {
  for (const record of await consumer.poll()) values.push(record.value)
}
console.log(values.join())
await cluster.close()
