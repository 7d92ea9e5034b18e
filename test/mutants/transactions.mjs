/* Planted bugs of transactions. */

const REQUESTS = 'broker/requests/transaction-requests'
const CLIENT = 'client/producer/transactional-producer'
const LOG = 'log/store/transactions'

export const transactions = [
  {
    name: 'read_committed reads the records of open transactions',
    file: 'partition/read-committed.ts',
    from: 'return isStable === true ? log.producers.lastStableOffset(highWatermark) : highWatermark',
    to: 'return highWatermark\n  void log\n  void isStable',
    by: [REQUESTS, CLIENT],
  },
  {
    name: 'a transaction counts as decided before its marker is committed',
    file: 'log/store/producers.ts',
    from: 'for (const { firstOffset } of this.#ended) first = Math.min(first, firstOffset)',
    to: '',
    by: [LOG],
  },
  {
    name: 'aborted transactions are not noted',
    file: 'log/store/producers.ts',
    from: '    if (!isAborted) return\n',
    to: '    if (isAborted || !isAborted) return\n',
    by: [LOG, REQUESTS],
  },
  {
    name: 'the transaction index is not written',
    file: 'log/store/segment.ts',
    from: '    await this.aborted.sync()\n',
    to: '',
    by: [LOG],
  },
  {
    name: 'a truncation keeps what was aborted above it',
    file: 'log/store/segment.ts',
    from: '    await this.aborted.truncateTo(end)\n',
    to: '',
    by: [LOG],
  },
  {
    name: 'a marker of an older coordinator is taken',
    file: 'log/format/producer-state.ts',
    from: '  if (epoch >= producer.coordinatorEpoch) return\n',
    to: '  if (epoch >= 0) return\n',
    by: [LOG],
  },
  {
    name: 'a producer writes outside of its open transaction',
    file: 'log/format/producer-state.ts',
    from: '  if (producer.currentTxnFirstOffset === NONE || isTransactional) return\n',
    to: '  if (isTransactional || !isTransactional) return\n',
    by: [LOG],
  },
  {
    name: 'the first write of a transaction is not verified',
    file: 'broker/requests/produce-requests.ts',
    from: '  if (!isTransactional || producers.hasOpenTransaction(producerId)) return undefined\n',
    to: '  if (!isTransactional || producerId >= 0) return undefined\n',
    by: [REQUESTS],
  },
  {
    name: 'an older producer is not fenced',
    file: 'coordinator/transactions/transaction-coordinator.ts',
    from: '  return { producerId, producerEpoch: producerEpoch + 1 }',
    to: '  return { producerId, producerEpoch }',
    by: [REQUESTS],
  },
  {
    name: 'a transaction is open for ever',
    file: 'coordinator/transactions/transaction-coordinator.ts',
    from: "state === 'Ongoing' && startedAt + timeoutMs < now,",
    to: "state === 'Ongoing' && startedAt + timeoutMs < 0 * now,",
    by: [REQUESTS],
  },
  {
    name: 'the next coordinator does not finish what was prepared',
    file: 'broker/node/transaction-coordinators.ts',
    from: 'onLoaded: coordinator => completions.get(coordinator)?.resume(),',
    to: 'onLoaded: () => undefined,',
    by: [REQUESTS],
    equivalent: 'the check of time-outs, every ten seconds, finishes it too',
  },
  {
    name: 'offsets of an aborted transaction count',
    file: 'coordinator/groups/kept-groups.ts',
    from: '    if (!isCommit) return\n',
    to: '',
    by: [REQUESTS],
  },
  {
    name: 'pending offsets are given as they are',
    file: 'broker/requests/group-offset-requests.ts',
    from: 'request.requireStable === true && coordinator',
    to: 'request.requireStable === undefined && coordinator',
    by: [REQUESTS, CLIENT],
  },
  {
    name: 'a consumer delivers what was aborted',
    file: 'client/line/aborted-filter.ts',
    from: '    return isTransactional && !isControl\n',
    to: '    return isTransactional && isControl\n',
    by: [CLIENT],
  },
  {
    name: 'a producer keeps its epoch after an abort',
    file: 'client/producer/transaction.ts',
    from: "    this.#ended('idle')\n",
    to: "    this.#ended('ready' as 'idle')\n",
    by: [CLIENT],
  },
  {
    name: 'a commit goes on after a send has failed',
    file: 'client/producer/transaction.ts',
    from: "    else if (this.#step === 'open' || this.#step === 'committing') this.#fail(error)\n",
    to: '',
    by: [CLIENT],
  },
]
