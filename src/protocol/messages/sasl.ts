/* SASL authentication, before any other request of a connection (KIP-43, KIP-152). */

import {
  array,
  bytes,
  int16,
  int64,
  message,
  nullableString,
  since,
  string,
  type ValueOf,
} from '../schema.js'

const HANDSHAKE_RANGE = { versions: [0, 1], flexibleSince: Infinity } as const

export const saslHandshakeRequest = message('SaslHandshakeRequest', HANDSHAKE_RANGE, {
  mechanism: string,
})

export const saslHandshakeResponse = message('SaslHandshakeResponse', HANDSHAKE_RANGE, {
  errorCode: int16,
  /** The mechanisms that the broker supports. */
  mechanisms: array(string),
})

const AUTHENTICATE_RANGE = { versions: [0, 2], flexibleSince: 2 } as const

export const saslAuthenticateRequest = message('SaslAuthenticateRequest', AUTHENTICATE_RANGE, {
  authBytes: bytes,
})

export const saslAuthenticateResponse = message('SaslAuthenticateResponse', AUTHENTICATE_RANGE, {
  errorCode: int16,
  errorMessage: nullableString,
  authBytes: bytes,
  /** The time after which the client has to authenticate again (KIP-368); 0: never. */
  sessionLifetimeMs: since(1, int64, 0),
})

export type SaslHandshakeRequest = ValueOf<typeof saslHandshakeRequest>
export type SaslHandshakeResponse = ValueOf<typeof saslHandshakeResponse>
export type SaslAuthenticateRequest = ValueOf<typeof saslAuthenticateRequest>
export type SaslAuthenticateResponse = ValueOf<typeof saslAuthenticateResponse>
