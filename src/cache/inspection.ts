// Inspection: what a cache tells of itself, in plain numbers. Types only.

/** Counted since the client was made, but for the last three, which are what there is now. */
export interface CacheInspection {
  /** Reads answered from the cache; MGET counts each key. */
  hits: number
  /** Reads that may be cached and went to a server. */
  misses: number
  /** Reads that got the reply of one that was under way. */
  shared: number
  /** Keys that servers have reported as changed. */
  invalidations: number
  /** Times everything from one server was forgotten. */
  flushes: number
  /** Replies that made room for others. */
  evictions: number
  entries: number
  /** Estimated bytes of what is kept, overhead included. */
  bytes: number
  /** Servers that report changes. */
  regions: number
}
