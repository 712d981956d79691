// Limits: what a reply may declare before the decoder gives up on the connection.

/** What a reply may declare before the decoder gives up on the connection. Sums over a whole reply are not limited. */
export interface DecoderLimits {
  /** Aggregates within aggregates; a flat array is 1 deep. */
  maxDepth: number
  /** Length of one string in bytes. */
  maxBulkBytes: number
  /** Elements of one aggregate; a map counts its keys and its values. */
  maxAggregateLength: number
}

export const defaultLimits: DecoderLimits = {
  maxDepth: 128,
  maxBulkBytes: 512 * 1024 * 1024,
  maxAggregateLength: 16_777_216,
}
