/**
 * A short fuzz of every target, and all inputs that were kept. `npm run fuzz` runs millions.
 *
 *   FUZZ_SEED=7    other inputs
 */

import { describe, expect, it } from 'vitest'
import { corpusOf } from './corpus.js'
import { fuzz, toldOf, tried } from './loop.js'
import { TARGETS } from './targets.js'
import { Broken, type Target } from './target.js'

const SEED = Number(process.env['FUZZ_SEED'] ?? 1)

describe('bytes that cannot be trusted', () => {
  it.each(TARGETS)('$name accepts inputs or refuses them as it says', async target => {
    const { failures, inputs } = await fuzz(target, { seed: SEED, maxInputs: target.inputs })
    expect(failures.map(toldOf).join('\n\n')).toBe('')
    expect(inputs).toBe(target.inputs)
  })

  it('inputs that are kept, because they found a bug or a branch, are still right', async () => {
    let count = 0
    for (const target of TARGETS) {
      await target.seeds()
      for (const input of corpusOf(target.name)) {
        count++
        const outcome = await tried(target, input)
        const told = outcome instanceof Error ? `${outcome.name}: ${outcome.message}` : ''
        expect(
          outcome instanceof Error && !target.refuses(outcome) ? told : '',
          `${target.name} ${input.toString('hex')}`,
        ).toBe('')
      }
    }
    expect(count).toBeGreaterThan(100)
  })

  it('two hundred thousand inputs are tried', () => {
    expect(TARGETS.reduce((sum, { inputs }) => sum + inputs, 0)).toBeGreaterThan(200_000)
  })
})

describe('the fuzz itself', () => {
  const broken: Target = {
    name: 'broken',
    seeds: () => [Buffer.from('a quick brown fox')],
    run: bytes => {
      if (bytes.includes('q') && bytes.includes(0xff)) throw new TypeError('q and 255')
      if (bytes.length > 40) throw new Broken('too long')
      if (bytes.length > 30) throw new Error('a refusal')
      return true
    },
    refuses: error => error.message === 'a refusal',
    inputs: 3_000,
  }

  it('a bug is found, shrunk to the bytes that matter, and told with its command', async () => {
    const { failures } = await fuzz(broken, { seed: 1, maxInputs: broken.inputs })
    const found = new Map(failures.map(failure => [failure.kind, failure]))
    expect([...found.keys()].sort()).toEqual(['Broken: too long', 'TypeError: q and N'])
    expect(found.get('Broken: too long')?.input.length).toBe(41)
    const bug = found.get('TypeError: q and N')!
    expect([...bug.input].sort()).toEqual([0x71, 0xff])
    expect(toldOf(bug)).toContain(`npm run fuzz -- --target broken --input ${bug.input.toString('hex')}`)
  })

  it('memory that input takes, and changes of Object.prototype, are found', async () => {
    const kept: Buffer[] = []
    const greedy: Target = {
      ...broken,
      memory: { bytes: 1024 * 1024, perByte: 1 },
      run: () => kept.push(Buffer.alloc(8 * 1024 * 1024)) > 0,
    }
    expect(String(await tried(greedy, Buffer.from('x')))).toContain('too much memory')
    const polluting: Target = {
      ...broken,
      run: () => Reflect.set(Object.prototype, 'isAdmin', true),
    }
    expect(String(await tried(polluting, Buffer.from('x')))).toContain('Object.prototype has isAdmin')
    expect(String(await tried(broken, Buffer.from('x')))).toBe('accepted')
  })
})
