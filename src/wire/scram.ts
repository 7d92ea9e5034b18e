/*
 * SCRAM (RFC 5802, as Kafka uses it): both sides prove that they know the password without sending
 * it.
 *
 *   → n,,n=user,r=nonce                  ← r=nonce + theirs,s=salt,i=iterations
 *   → c=biws,r=…,p=proof                 ← v=proof of the broker
 */

import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import type { Random } from '../base/random.js'
import { PartlogError } from '../model/errors.js'

export type ScramHash = 'sha256' | 'sha512'

export interface ScramOptions {
  readonly hash: ScramHash
  readonly username: string
  readonly password: string
  readonly random: Random
}

/** Upper limit, so that a broker cannot keep the client busy; Kafka's default is 4,096. */
const ITERATIONS_MAX = 1_000_000
/** Kafka's minimum: with less, an eavesdropper could guess passwords. */
const ITERATIONS_MIN = 4_096
const NONCE_BYTES = 24
/** "No channel binding", in base64. */
const NO_BINDING = 'biws'

/** Not by import, which runs every getter of the module. */
const { promisify } = process.getBuiltinModule('node:util')
const derive = promisify(pbkdf2)

export class ScramClient {
  readonly #options: ScramOptions
  readonly #nonce: string
  /** The expected proof of the broker; set when the client has sent its own. */
  #expected: Buffer | undefined

  constructor(options: ScramOptions) {
    this.#options = options
    this.#nonce = Buffer.from(options.random.bytes(NONCE_BYTES)).toString('base64')
  }

  first(): Buffer {
    return Buffer.from(`n,,${this.#bare}`)
  }

  /** The next message; undefined when both sides are authenticated. */
  async next(challenge: Buffer): Promise<Buffer | undefined> {
    const text = challenge.toString()
    if (this.#expected === undefined) return await this.#prove(text)
    this.#check(text, this.#expected)
    return undefined
  }

  get #bare(): string {
    const name = this.#options.username.replaceAll('=', '=3D').replaceAll(',', '=2C')
    return `n=${name},r=${this.#nonce}`
  }

  async #prove(serverFirst: string): Promise<Buffer> {
    const { hash, password } = this.#options
    const { r: nonce = '', s: salt = '', i = '' } = fieldsOf(serverFirst)
    const iterations = Number(i)
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce || salt === '') {
      throw refused("the broker's first SCRAM message has no salt or not the client's nonce")
    }
    const isWhole = Number.isSafeInteger(iterations)
    if (!isWhole || iterations < ITERATIONS_MIN || iterations > ITERATIONS_MAX) {
      const range = `${ITERATIONS_MIN} to ${ITERATIONS_MAX}`
      throw refused(`the broker asks for ${i} iterations: expected ${range}`)
    }
    const bytes = hash === 'sha256' ? 32 : 64
    const salted = await derive(password, Buffer.from(salt, 'base64'), iterations, bytes, hash)
    const withoutProof = `c=${NO_BINDING},r=${nonce}`
    const said = `${this.#bare},${serverFirst},${withoutProof}`
    const mac = (key: Buffer, data: string): Buffer => createHmac(hash, key).update(data).digest()
    const clientKey = mac(salted, 'Client Key')
    const storedKey = createHash(hash).update(clientKey).digest()
    const signature = mac(storedKey, said)
    this.#expected = mac(mac(salted, 'Server Key'), said)
    const proof = clientKey.map((byte, at) => byte ^ (signature[at] as number))
    return Buffer.from(`${withoutProof},p=${Buffer.from(proof).toString('base64')}`)
  }

  #check(serverFinal: string, expected: Buffer): void {
    const { v = '', e } = fieldsOf(serverFinal)
    if (e !== undefined) throw refused(e)
    const proof = Buffer.from(v, 'base64')
    if (proof.length === expected.length && timingSafeEqual(proof, expected)) return
    throw refused("the broker's proof is wrong: it does not know the password")
  }
}

/** `a=…,b=…` */
function fieldsOf(text: string): { readonly [name: string]: string | undefined } {
  return Object.fromEntries(text.split(',').map(field => [field.slice(0, 1), field.slice(2)]))
}

function refused(why: string): PartlogError {
  return new PartlogError('SASL_AUTHENTICATION_FAILED', why)
}
