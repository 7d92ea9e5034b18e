/* SASL authentication of a client at the start of a connection. */

import type { Random } from '../base/random.js'
import { errorOf, PartlogError } from '../model/errors.js'
import type { WireApi } from '../protocol/framing.js'
import {
  saslAuthenticateRequest,
  saslAuthenticateResponse,
  saslHandshakeRequest,
  saslHandshakeResponse,
  type SaslAuthenticateRequest,
  type SaslAuthenticateResponse,
  type SaslHandshakeRequest,
  type SaslHandshakeResponse,
} from '../protocol/messages/sasl.js'
import type { Agreement } from './agreement.js'
import { ScramClient } from './scram.js'

/** SASL mechanism and credentials of a client. */
export interface SaslOptions {
  /** 'plain' sends the password unencrypted: use it only over TLS or in a trusted network. */
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

/** The client's side of a mechanism. */
interface Exchange {
  first(): Buffer
  /** The next message; undefined if the exchange is complete. */
  next(challenge: Buffer): Promise<Buffer | undefined>
}

const HANDSHAKE: WireApi<SaslHandshakeRequest, SaslHandshakeResponse> = {
  key: 17,
  request: saslHandshakeRequest,
  response: saslHandshakeResponse,
}

const AUTHENTICATE: WireApi<SaslAuthenticateRequest, SaslAuthenticateResponse> = {
  key: 36,
  request: saslAuthenticateRequest,
  response: saslAuthenticateResponse,
}

/** How many rounds a broker may ask for. */
const ROUNDS_MAX = 10

function exchangeOf({ mechanism, username, password }: SaslOptions, random: Random): Exchange {
  if (mechanism === 'plain') {
    return {
      first: () => Buffer.from(`\0${username}\0${password}`),
      next: () => Promise.resolve(undefined),
    }
  }
  const hash = mechanism === 'scram-sha-256' ? 'sha256' : 'sha512'
  return new ScramClient({ hash, username, password, random })
}

/**
 * Resolves with the lifetime of the session in milliseconds; 0: until the connection closes.
 * Rejects with SASL_AUTHENTICATION_FAILED or UNSUPPORTED_SASL_MECHANISM.
 */
export async function authenticate(
  agreement: Agreement,
  options: SaslOptions,
  random: Random,
): Promise<number> {
  const mechanism = options.mechanism.toUpperCase()
  const { errorCode, mechanisms } = await agreement.ask(HANDSHAKE, { mechanism })
  if (errorCode !== 0) {
    const others = mechanisms.length === 0 ? 'none' : mechanisms.join(', ')
    const sentence = `the broker does not accept ${mechanism}; it accepts: ${others}`
    throw new PartlogError(errorOf(errorCode), sentence)
  }
  const exchange = exchangeOf(options, random)
  let lifetimeMs = 0
  let message: Buffer | undefined = exchange.first()
  for (let rounds = 0; message !== undefined; rounds++) {
    if (rounds === ROUNDS_MAX) {
      throw refused(options, `the broker did not finish SASL within ${ROUNDS_MAX} messages`)
    }
    const request = { authBytes: message }
    const answer: SaslAuthenticateResponse = await agreement.ask(AUTHENTICATE, request)
    if (answer.errorCode !== 0) throw refused(options, answer.errorMessage, answer.errorCode)
    lifetimeMs = answer.sessionLifetimeMs ?? 0
    message = await exchange.next(Buffer.from(answer.authBytes))
  }
  return lifetimeMs
}

/** The error never contains the password. */
function refused(
  { mechanism, username }: SaslOptions,
  why: string | null,
  errorCode?: number,
): PartlogError {
  const code = errorCode === undefined ? 'SASL_AUTHENTICATION_FAILED' : errorOf(errorCode)
  return new PartlogError(code, why ?? `the broker refuses user ${username} (${mechanism})`)
}
