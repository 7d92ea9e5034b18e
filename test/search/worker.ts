/** Runs seeds for run.mjs, in a process of its own. */

import { runSeed, type Cuts } from './run-seed.js'
import { commandOf, shrink } from './shrink.js'

/** What run.mjs asks for. */
interface Task {
  readonly seed: number
  readonly cuts?: Cuts
  /** One run was asked for: it is told whole, and not made shorter. */
  readonly isSingle: boolean
}

process.on('message', (task: Task) => void run(task))

async function run({ seed, cuts = {}, isSingle }: Task): Promise<void> {
  const ran = await runSeed(seed, cuts)
  const { problems, hash, counts, story } = ran
  const common = { seed, hash, counts }
  if (problems.length === 0) {
    process.send?.({ ...common, problems, story: isSingle ? story : [] })
  } else if (isSingle) {
    process.send?.({ ...common, problems, story, command: commandOf(seed, cuts) })
  } else {
    const shrunk = await shrink(ran)
    const command = commandOf(seed, shrunk.cuts)
    process.send?.({ ...common, problems: shrunk.ran.problems, story: shrunk.ran.story, command })
  }
}
