/** How a client says who it is when a connection begins. */

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

/** Who a client is. */
export interface SaslOptions {
  /** 'plain' sends the password as it is: over TLS only, unless nobody else listens. */
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

/** The client's side of a mechanism. */
interface Exchange {
  first(): Buffer
  /** What to say next; undefined when everything is said. */
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

/** A broker that goes on asking is none. */
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
 * Resolves with how long the broker believes it, in milliseconds; 0: as long as the connection is
 * open. Rejects with SASL_AUTHENTICATION_FAILED or UNSUPPORTED_SASL_MECHANISM.
 */
export async function authenticate(
  agreement: Agreement,
  options: SaslOptions,
  random: Random,
): Promise<number> {
  const mechanism = options.mechanism.toUpperCase()
  const { errorCode, mechanisms } = await agreement.ask(HANDSHAKE, { mechanism })
  if (errorCode !== 0) {
    const others = mechanisms.length === 0 ? 'no password' : mechanisms.join(', ')
    throw new PartlogError(errorOf(errorCode), `${mechanism} is not taken here, but ${others}`)
  }
  const exchange = exchangeOf(options, random)
  let lifetimeMs = 0
  let said: Buffer | undefined = exchange.first()
  for (let rounds = 0; said !== undefined; rounds++) {
    if (rounds === ROUNDS_MAX) throw refused(options, 'the broker never comes to an end')
    const answer: SaslAuthenticateResponse = await agreement.ask(AUTHENTICATE, { authBytes: said })
    if (answer.errorCode !== 0) throw refused(options, answer.errorMessage, answer.errorCode)
    lifetimeMs = answer.sessionLifetimeMs ?? 0
    said = await exchange.next(Buffer.from(answer.authBytes))
  }
  return lifetimeMs
}

/** Never with the password. */
function refused(
  { mechanism, username }: SaslOptions,
  why: string | null,
  errorCode?: number,
): PartlogError {
  const code = errorCode === undefined ? 'SASL_AUTHENTICATION_FAILED' : errorOf(errorCode)
  return new PartlogError(code, why ?? `${username} is not let in (${mechanism})`)
}
