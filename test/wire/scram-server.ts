/** The broker's side of SCRAM, written after RFC 5802 and not after the client. */

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'

export interface ScramServerOptions {
  readonly hash: 'sha256' | 'sha512'
  readonly password: string
  readonly salt: Buffer
  readonly iterations: number
  /** What the broker adds to the client's nonce. */
  readonly nonce: string
}

export function scramServer(options: ScramServerOptions) {
  const { hash, password, salt, iterations, nonce } = options
  let bare = ''
  let serverFirst = ''
  const mac = (key: Buffer, data: string): Buffer => createHmac(hash, key).update(data).digest()
  return {
    /** The user's name, and the challenge. */
    first(message: string): { readonly username: string; readonly challenge: string } {
      const [, username = '', clientNonce = ''] = /^n,,n=(.*),r=(.*)$/.exec(message) ?? []
      bare = message.slice('n,,'.length)
      serverFirst = `r=${clientNonce}${nonce},s=${salt.toString('base64')},i=${iterations}`
      return { username, challenge: serverFirst }
    },
    /** The broker's proof; undefined: the client does not know the password. */
    final(message: string): string | undefined {
      const [, withoutProof = '', proof = ''] = /^(c=biws,r=.*),p=(.*)$/.exec(message) ?? []
      const salted = pbkdf2Sync(password, salt, iterations, hash === 'sha256' ? 32 : 64, hash)
      const said = `${bare},${serverFirst},${withoutProof}`
      const storedKey = createHash(hash).update(mac(salted, 'Client Key')).digest()
      const signature = mac(storedKey, said)
      const clientKey = Buffer.from(proof, 'base64').map((byte, at) => byte ^ signature[at]!)
      if (!createHash(hash).update(clientKey).digest().equals(storedKey)) return undefined
      return `v=${mac(mac(salted, 'Server Key'), said).toString('base64')}`
    },
  }
}
