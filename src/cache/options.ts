// CacheOptions: what a user may say about client-side caching, and what becomes of it. Types only.

/**
 * How a server knows what to report: `tracking` every key read on the connection, `optin` only keys of reads that are cached,
 * `broadcast` every key with one of the prefixes, read or not.
 */
export type CacheMode = 'tracking' | 'broadcast' | 'optin'

/**
 * Replies kept in this process, and dropped when their server reports a change.
 * Source: redis.io/docs, "Client-side caching reference"; CLIENT TRACKING and CLIENT CACHING command pages.
 */
export interface CacheOptions {
  /** Bytes of heap that kept replies may take, with keys and overhead; 4,096 to 2^40. Default 33,554,432 (32 MiB). */
  maxBytes?: number
  /** Replies kept; 1 to 16,000,000. Default 100,000. */
  maxEntries?: number
  /** Longest time a reply is kept, in milliseconds; 0 to 86,400,000 (a day), 0 for no limit. Default 0. */
  ttlMs?: number
  /**
   * Commands whose replies are kept, in any letter case. Default: the server's own read-only commands with one key whose reply follows
   * from the value of that key, and MGET. Others must be read-only with their key first.
   */
  commands?: readonly string[]
  /** Only keys that begin with one of these are kept. Default: every key. */
  prefixes?: readonly string[]
  /** See {@link CacheMode}. Default `tracking`. */
  mode?: CacheMode
}

/** Checked, with the defaults filled in. */
export interface CacheConfig {
  maxBytes: number
  maxEntries: number
  ttlMs: number
  /** Upper case; null for the default. */
  commands: readonly string[] | null
  /** Empty for every key. */
  prefixes: readonly string[]
  mode: CacheMode
}
