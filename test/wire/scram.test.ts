import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { ScramClient, type ScramOptions } from '../../src/wire/scram.js'
import { scramServer } from './scram-server.js'

const random = seededRandom(1)
const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')

function client(options: Partial<ScramOptions> = {}): ScramClient {
  return new ScramClient({
    hash: 'sha256',
    username: 'user',
    password: 'pencil',
    random,
    ...options,
  })
}

const refused = (why: string) =>
  expect.objectContaining({
    code: 'SASL_AUTHENTICATION_FAILED',
    message: expect.stringContaining(why),
  })

describe('SCRAM', () => {
  it('SCRAM gives the messages of RFC 7677', async () => {
    const bytes = Buffer.from('rOprNGfwEbeRWgbNEkqO', 'base64')
    const one = client({ random: { ...random, bytes: () => bytes } })
    expect(one.first().toString()).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO')
    const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
    const challenge = `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`
    const proof = await one.next(Buffer.from(challenge))
    expect(proof?.toString()).toBe(
      `c=biws,r=${nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
    )
    const last = Buffer.from('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
    expect(await one.next(last)).toBeUndefined()
  })

  it.each(['sha256', 'sha512'] as const)('both sides authenticate with %s', async hash => {
    const options = { hash, username: 'a=b,c', password: 'pässword' }
    const one = client(options)
    const server = scramServer({ ...options, salt, iterations: 5_000, nonce: 'more' })
    const { username, challenge } = server.first(one.first().toString())
    expect(username).toBe('a=3Db=2Cc')
    const proof = await one.next(Buffer.from(challenge))
    const answer = server.final(String(proof))
    expect(answer).toBeDefined()
    expect(await one.next(Buffer.from(answer as string))).toBeUndefined()
  })

  it('a wrong password is refused', async () => {
    const one = client({ password: 'pencils' })
    const server = scramServer({
      hash: 'sha256',
      password: 'pencil',
      salt,
      iterations: 4_096,
      nonce: 'x',
    })
    const { challenge } = server.first(one.first().toString())
    expect(server.final(String(await one.next(Buffer.from(challenge))))).toBeUndefined()
  })

  it('every exchange has another nonce', () => {
    expect(client().first()).not.toEqual(client().first())
  })

  const nonceOf = (one: ScramClient): string => one.first().toString().split('r=')[1] as string
  const s = `s=${salt.toString('base64')}`

  it.each([
    ['a nonce that is not its own', () => `r=other,${s},i=4096`, 'first SCRAM message'],
    ['a nonce that is only its own', (own: string) => `r=${own},${s},i=4096`, 'first SCRAM message'],
    ['no salt', (own: string) => `r=${own}x,i=4096`, 'first SCRAM message'],
    ['too few iterations', (own: string) => `r=${own}x,${s},i=4095`, '4095'],
    ['half an iteration', (own: string) => `r=${own}x,${s},i=4096.5`, '4096.5'],
    ['endless work', (own: string) => `r=${own}x,${s},i=1000001`, '1000001'],
    ['no iterations', (own: string) => `r=${own}x,${s}`, 'iterations'],
    ['nothing', () => '', 'first SCRAM message'],
  ])('SCRAM refuses a broker that sends %s', async (_what, challengeFor, why) => {
    const one = client()
    const challenge = Buffer.from(challengeFor(nonceOf(one)))
    await expect(one.next(challenge)).rejects.toEqual(refused(why))
  })

  it.each([
    ['another proof', `v=${Buffer.alloc(32).toString('base64')}`, 'does not know'],
    ['a short proof', 'v=AAAA', 'does not know'],
    ['no proof', '', 'does not know'],
    ['an error', 'e=unknown-user', 'unknown-user'],
  ])('SCRAM refuses a broker that ends with %s', async (_what, last, why) => {
    const one = client()
    await one.next(Buffer.from(`r=${nonceOf(one)}x,${s},i=4096`))
    await expect(one.next(Buffer.from(last))).rejects.toEqual(refused(why))
  })
})
