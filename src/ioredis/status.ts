// Status: what a Redis object tells of its life.

export type RedisStatus =
  | 'wait'
  | 'connecting'
  | 'connect'
  | 'ready'
  | 'close'
  | 'reconnecting'
  | 'end'
  | 'monitoring'
  | 'disconnecting'

/** State of the connection, for those who look at it. */
export interface Condition {
  select: number
  auth: string | [string, string | null] | null
  subscriber: false | { channels(kind: string): string[] } | true
  protocol: number
  replyMapping: 'legacy' | 'resp3'
}

export type ClusterStatus =
  | 'wait'
  | 'connecting'
  | 'connect'
  | 'ready'
  | 'disconnecting'
  | 'close'
  | 'reconnecting'
  | 'end'
