/* Bugs of folders that are followed beside their owner. */

const by = ['cluster/reading-set']

export const follow = [
  {
    name: 'a reader is shown what its owner does not call committed',
    file: 'cluster/follow/followed-partition.ts',
    from: 'return { bound: highWatermark, logStartOffset, layout }',
    to: 'return { bound: highWatermark + 1, logStartOffset, layout }',
    by,
  },
  {
    name: 'a log that is opened beside its owner is not cut at the bound',
    file: 'log/following/followed-log.ts',
    from: '  if (log.logEndOffset <= bound) return\n',
    to: '  if (log.logEndOffset >= bound) return\n',
    by,
  },
  {
    name: 'an owner calls committed what only its log has',
    file: 'cluster/follow/progress-writer.ts',
    from: '    highWatermark,\n    logEndOffset,',
    to: '    highWatermark: logEndOffset || highWatermark,\n    logEndOffset,',
    by,
  },
  {
    name: 'a reader does not open the segments of a compaction',
    file: 'log/following/followed-log.ts',
    from: 'const isSame = segment !== undefined && this.#identities.get(base) === identity',
    to: 'const isSame = segment !== undefined && identity !== undefined',
    by,
  },
  {
    name: 'a reader does not notice deleted segments',
    file: 'log/following/followed-log.ts',
    from: '    if (end.layout !== this.#layout) await this.#relist(end)\n',
    to: '',
    by,
  },
  {
    name: 'an owner does not say that a topic was deleted',
    file: 'cluster/follow/followed-set.ts',
    from: 'if (await this.#machine.catchUp()) await this.#apply()',
    to: 'if (await this.#machine.catchUp()) this.#attachBrokers()',
    by,
  },
  {
    name: 'a reader shows the groups of the moment when it began',
    file: 'cluster/follow/followed-set.ts',
    from: '    if (haveGroupsChanged) await this.#showGroups()\n',
    to: '',
    by,
  },
  {
    name: 'a reader that cannot watch its folder waits for ever',
    file: 'cluster/follow/progress-reader.ts',
    from: '    this.#timer = clock.after(this.#pauseMs, onTime, \'background\')\n',
    to: '    this.#timer = clock.after(this.#pauseMs + 1e9, onTime, \'background\')\n',
    by,
  },
]
