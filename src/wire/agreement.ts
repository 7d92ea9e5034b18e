/*
 * The agreement on versions: on each connection the client asks which versions the broker serves,
 * and uses the newest that both know (KIP-35, KIP-511).
 */

import { version as ownVersion } from '../../package.json'
import { ByteReader } from '../base/bytes.js'
import { errorId, errorOf, PartlogError } from '../model/errors.js'
import type { ApiName, Request } from '../protocol/api.js'
import type { WireApi } from '../protocol/framing.js'
import { PLAIN } from '../protocol/framing.js'
import {
  apiVersionsRequest,
  apiVersionsResponse,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
} from '../protocol/messages/api-versions.js'
import type { Message } from '../protocol/schema.js'
import type { ClientConnection } from './client-connection.js'
import { API_VERSIONS_KEY, type VersionRange } from './versions.js'

/**
 * Newer versions name topics by id, which partlog's clients do not. Those of AddPartitionsToTxn are
 * for brokers.
 */
const NEWEST: { readonly [A in ApiName]?: number } = {
  Fetch: 12,
  Produce: 12,
  OffsetCommit: 9,
  OffsetFetch: 9,
  AddPartitionsToTxn: 3,
}

/** The newest versions in a transaction of transaction.version 1; later ones mean version 2. */
const NEWEST_OF_ONE: { readonly [A in ApiName]?: number } = {
  Produce: 11,
  TxnOffsetCommit: 4,
  EndTxn: 4,
}

/** The version of ApiVersions that is tried first; brokers before Kafka 2.4 do not know it. */
const ASKED_FIRST = 3
const UNSUPPORTED_VERSION = errorId('UNSUPPORTED_VERSION')
/** A response in the requested version, or in version 0 if the broker does not know that one. */
const anyVersion: Message<ApiVersionsResponse> = {
  ...apiVersionsResponse,
  type: {
    ...apiVersionsResponse.type,
    read(reader, layout) {
      const body = reader.bytes(reader.remaining)
      const isUnknown = new ByteReader(body).int16() === UNSUPPORTED_VERSION
      return apiVersionsResponse.type.read(new ByteReader(body), isUnknown ? PLAIN : layout)
    },
  },
}

const API_VERSIONS: WireApi<ApiVersionsRequest, ApiVersionsResponse> = {
  key: API_VERSIONS_KEY,
  request: apiVersionsRequest,
  response: anyVersion,
  hasPlainHeader: true,
}

const CLIENT_SOFTWARE = { clientSoftwareName: 'partlog', clientSoftwareVersion: ownVersion }

/** A connection whose versions are agreed. */
export class Agreement {
  readonly #served: ReadonlyMap<number, VersionRange>
  readonly #levels: ReadonlyMap<string, number>

  private constructor(
    readonly connection: ClientConnection,
    { apiKeys: served, finalizedFeatures = [] }: ApiVersionsResponse,
    readonly timeoutMs: number,
  ) {
    this.#served = new Map(
      served.map(({ apiKey, minVersion: min, maxVersion: max }) => [apiKey, { min, max }]),
    )
    this.#levels = new Map(
      finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]),
    )
  }

  /** Rejects with NETWORK_EXCEPTION, or with UNSUPPORTED_VERSION if they share no version. */
  static async on(connection: ClientConnection, timeoutMs: number): Promise<Agreement> {
    let answer = await connection.ask(API_VERSIONS, ASKED_FIRST, CLIENT_SOFTWARE, timeoutMs)
    if (answer.errorCode === UNSUPPORTED_VERSION) {
      answer = await connection.ask(API_VERSIONS, 0, CLIENT_SOFTWARE, timeoutMs)
    }
    if (answer.errorCode !== 0) {
      const sentence = `the broker refuses ApiVersions with error ${answer.errorCode}`
      throw new PartlogError(errorOf(answer.errorCode), sentence)
    }
    return new Agreement(connection, answer, timeoutMs)
  }

  /** The newest version that both know. Throws UNSUPPORTED_VERSION. */
  versionOf<Q, S>({ key, request }: WireApi<Q, S>, newest = Infinity): number {
    const served = this.#served.get(key)
    const name = request.name.replace(/Request$/, '')
    if (served === undefined) {
      throw new PartlogError('UNSUPPORTED_VERSION', `the broker does not serve ${name}`)
    }
    const [min, max] = request.versions
    const version = Math.min(max, newest, served.max)
    if (version >= Math.max(min, served.min)) return version
    const sentence = `${name}: the broker serves versions ${served.min} to ${served.max}`
    throw new PartlogError('UNSUPPORTED_VERSION', `${sentence}, this client knows ${min} to ${max}`)
  }

  /** The level of a feature in the cluster (KIP-584); 0 if it has none. */
  featureLevel(feature: string): number {
    return this.#levels.get(feature) ?? 0
  }

  /** Sends a request in the newest version that both know. */
  async ask<Q, S>(api: WireApi<Q, S>, request: Q): Promise<S> {
    return await this.connection.ask(api, this.versionOf(api), request, this.timeoutMs)
  }
}

/** The newest version in which a client sends a request. */
export function newestOf<A extends ApiName>(api: A, request: Request<A>): number {
  const newest = NEWEST[api] ?? Infinity
  const { addsToTransaction = true, clientVersion = 2 } = request as TransactionFields
  const isOfOne = !addsToTransaction || clientVersion < 2
  return isOfOne ? Math.min(newest, NEWEST_OF_ONE[api] ?? newest) : newest
}

type TransactionFields = Partial<Request<'Produce'> & Request<'EndTxn'>>
