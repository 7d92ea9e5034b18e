/*
 * The features of a cluster and their levels (KIP-584). ApiVersions lists them, and clients choose
 * by them: `transaction.version`, for example, decides how a producer takes part in transactions.
 */

export interface Feature {
  readonly name: string
  /** The lowest and the highest level that could be in use. */
  readonly supported: readonly [min: number, max: number]
  /** The level in use. */
  readonly level: number
}

export const TRANSACTION_VERSION = 'transaction.version'

/** The metadata.version of Kafka 4.4, whose records the metadata log has. */
const KAFKA_4_4 = 33

export const FEATURES: readonly Feature[] = [
  { name: TRANSACTION_VERSION, supported: [0, 2], level: 2 },
  { name: 'metadata.version', supported: [KAFKA_4_4, KAFKA_4_4], level: KAFKA_4_4 },
  // Groups may use the consumer protocol (KIP-848).
  { name: 'group.version', supported: [0, 1], level: 1 },
]

/** The level in use of a feature of this version of partlog; 0 if it has no such feature. */
export function ownLevelOf(feature: string): number {
  return FEATURES.find(({ name }) => name === feature)?.level ?? 0
}
