/* What `cluster.replay` tells while it runs. */

/** How far a replay is. */
export interface ReplayProgress {
  /** Records that were given. */
  readonly records: number
  /** Records that were looked at: some may not be chosen. */
  readonly read: number
  /** Where each partition is read on, by its number. */
  readonly offsets: ReadonlyMap<number, number>
}
