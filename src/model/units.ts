/*
 * Numbers with a flavour. A plain number may become any of them, but one flavour never passes for
 * another: a Position where an Offset is expected does not compile.
 */

declare const flavour: unique symbol
type Flavoured<Name extends string> = number & { readonly [flavour]?: Name }

/** The number of a record in its partition: 0, 1, 2 … A safe integer. */
export type Offset = Flavoured<'Offset'>

/** The place of a byte in a file. */
export type Position = Flavoured<'Position'>

/** Counts the leaderships of a partition. */
export type LeaderEpoch = Flavoured<'LeaderEpoch'>

/** Milliseconds since 1970; −1 if a record has none. */
export type Timestamp = Flavoured<'Timestamp'>

/** "Not set" wherever Kafka's formats have it: epochs, sequences, producer ids, timestamps. */
export const NONE = -1
