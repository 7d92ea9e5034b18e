// Opens a folder, says what came of it, and keeps it when told to.
const { ENTRY } = await import('./runtimes.mjs')
const { Cluster } = await import(ENTRY)
const [dir, what] = process.argv.slice(2)
try {
  const cluster = await Cluster.open({ dir })
  console.log('OPEN')
  if (what === 'hold') setTimeout(() => undefined, 600_000)
  else await cluster.close()
} catch (error) {
  console.log(error.code ?? error.message)
}
