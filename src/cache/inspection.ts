// CacheInspection: what a cache tells of itself, in plain numbers.

/** Counted since the client was made, but for the last five, which are as of now. */
export interface CacheInspection {
  /** Reads answered from the cache; of MGET, keys. */
  hits: number
  /** Reads sent to a server, though they might have been cached; of MGET, keys. */
  misses: number
  /** Reads that got the reply of an equal read that was under way. */
  shared: number
  /** Keys that servers have named as changed. */
  invalidations: number
  /** Times everything known of one server has been forgotten: FLUSHALL, a lost connection, a node that left. */
  flushes: number
  /** Entries given up for want of room. */
  evictions: number
  entries: number
  /** Estimated, overhead included. */
  bytes: number
  /** Reads that wait for the reply of an equal one; a part of `queued`. */
  waiting: number
  /** Nodes whose connection is tracked. */
  trackedNodes: number
  /** Nodes with a connection that cannot be tracked: RESP2, or CLIENT TRACKING is refused. Their replies are not cached. */
  untrackedNodes: number
}
