/** Bugs in what is said: assignors, and the bounds of bytes that are read. */

export const protocol = [
  {
    name: 'the range assignor gives a partition twice',
    file: 'protocol/assignors/range-assignor.ts',
    from: '      left = left.filter(partition => !this.#isGiven[partition])\n',
    to: '',
    by: ['protocol/assignors/assignors'],
  },
  {
    name: 'the range assignor gives the rest to each of the first members',
    file: 'protocol/assignors/range-assignor.ts',
    from: 'if (given.push(partition) > this.#quota) this.#extras--',
    to: 'given.push(partition)',
    by: ['protocol/assignors/assignors'],
  },
  {
    name: 'the round robin gives all to one member',
    file: 'protocol/assignors/round-robin-assignor.ts',
    from: `push({ topic, partition })
      turn = (turn + 1) % circle.length`,
    to: 'push({ topic, partition })',
    by: ['protocol/assignors/assignors'],
  },
  {
    name: 'a cooperative member gets a partition while another still has it',
    file: 'protocol/assignors/sticky-assignor.ts',
    from: 'shares.map(share => share.filter(partition => !moving.has(partition))),',
    to: 'shares.map(share => share.filter(partition => !moving.has(-1 - partition))),',
    by: ['protocol/assignors/assignors'],
  },
  {
    name: 'a partition that two members claim stays with the last',
    file: 'protocol/assignors/sticky-input.ts',
    from: 'owner[partition] = generation > best[partition]! ? member : CONTESTED',
    to: 'owner[partition] = generation > -best[partition]! ? member : member',
    by: ['protocol/assignors/assignors'],
  },
  {
    name: 'a claim of an older generation counts as much as one of a newer',
    file: 'protocol/assignors/sticky-input.ts',
    from: '        if (generation < best[partition]!) continue\n',
    to: '',
    by: ['protocol/assignors/assignors'],
  },
  {
    name: 'a sticky member keeps more than its share',
    file: 'protocol/assignors/sticky-equal.ts',
    from: 'return ownedCount > this.#quota && this.#extrasLeft() ? this.#quota + 1 : this.#quota',
    to: 'return ownedCount > this.#quota ? this.#quota + 1 : this.#quota',
    by: ['protocol/assignors/assignors'],
  },
]
