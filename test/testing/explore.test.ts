import { describe, expect, it } from 'vitest'
import { explore, type ExploreError, type World } from '../../src/testing/index.js'
import { outbox, payments } from './examples.js'

const failureOf = async (work: Promise<unknown>): Promise<ExploreError> => {
  const error: unknown = await work.then(
    () => 'no seed failed',
    (failure: unknown) => failure,
  )
  expect(error).toMatchObject({ name: 'ExploreError' })
  return error as ExploreError
}

describe('explore', () => {
  it('explore finds a payment that is charged twice within 50 seeds', async () => {
    const failure = await failureOf(explore({ seeds: 50 }, payments({ isIdempotent: false })))
    expect(failure.message).toMatch(/^seed \d+ failed: payment \d was charged 2 times/)
    expect(failure.only.length).toBeLessThanOrEqual(2)
  })

  it('explore finds nothing in 1,000 seeds when a payment is charged once', async () => {
    const { faults } = await explore({ seeds: 1_000 }, payments({ isIdempotent: true }))
    expect(faults).toBeGreaterThan(1_000)
  }, 600_000)

  it('explore finds a message that an outbox forgets within 50 seeds', async () => {
    const failure = await failureOf(explore({ seeds: 50 }, outbox({ commits: 'before' })))
    expect(failure.message).toContain('not true within')
  })

  it('explore finds nothing in 200 seeds when an outbox commits what was acknowledged', async () => {
    await explore({ seeds: 200 }, outbox({ commits: 'after' }))
  }, 600_000)

  it('explore repeats a failure from its seed and its faults', async () => {
    const first = await failureOf(explore({ seeds: 50 }, payments({ isIdempotent: false })))
    const { seed, only } = first
    const again = await failureOf(explore({ seed, only }, payments({ isIdempotent: false })))
    expect(again.message).toBe(first.message)
  })

  it('explore gives the program under test the time and the chance of the world', async () => {
    const real = [globalThis.setTimeout, globalThis.Date, Math.random]
    const seen: unknown[][] = []
    const look = async (world: World): Promise<void> => {
      const before = Date.now()
      await new Promise(resolve => setTimeout(resolve, 3_600_000))
      seen.push([Date.now() - before, new Date().getFullYear(), Math.random(), world.random.int(9)])
    }
    await explore({ seed: 5, faults: [], limitMs: 7_200_000 }, look)
    await explore({ seed: 5, faults: [], limitMs: 7_200_000 }, look)
    expect(seen[0]).toEqual(seen[1])
    expect(seen[0]?.[0]).toBeGreaterThanOrEqual(3_600_000)
    expect([globalThis.setTimeout, globalThis.Date, Math.random]).toEqual(real)
  })

  it('explore fails when a scenario never ends, and says so', async () => {
    const never = async (): Promise<void> => await new Promise(() => undefined)
    const failure = await failureOf(explore({ seed: 1, faults: [], limitMs: 1_000 }, never))
    expect(failure.message).toContain('not done within 1000 ms')
  })

  it('explore starts a program that throws again', async () => {
    let lives = 0
    await explore({ seed: 1, faults: [] }, async world => {
      const process = world.process('worker', async ({ life }) => {
        lives = life
        if (life < 3) throw new Error('broken')
      })
      await world.eventually(() => process.state === 'ended')
    })
    expect(lives).toBe(3)
  })

  it('explore does not let a killed process see an answer', async () => {
    await explore({ seed: 1, faults: [] }, async world => {
      await world.cluster.admin.createTopic({ topic: 'orders' })
      const seen: string[] = []
      const process = world.process('producer', async ({ cluster, life }) => {
        const producer = cluster.producer()
        await producer.send({ topic: 'orders', messages: [{ value: `life ${life}` }] })
        seen.push(`life ${life}`)
      })
      process.kill()
      await world.sleep(60_000)
      expect(seen).toEqual([])
      process.start()
      await world.eventually(() => seen.length === 1)
      expect(seen).toEqual(['life 2'])
    })
  })

  it.each([
    [{ seeds: 0 }, 'seeds'],
    [{ seeds: 1.5 }, 'seeds'],
    [{ faults: ['kill a user'] }, 'faults'],
    [{ only: [-1] }, 'only'],
    [{ brokers: 0 }, 'brokers'],
    [{ nodes: 3 }, 'nodes'],
  ])('refuses %j', async (options, name) => {
    const refused = explore(options as never, async () => undefined)
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(name) as string,
    })
  })
})
