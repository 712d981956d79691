// RedisPort: everything that this service asks of Redis, and nothing else. Whoever implements it owns connections, deadlines and the
// bounds of what waits; the service keeps no call of its own while Redis is away.

/** Where one Redis is, as the configuration and the environment say. */
export interface RedisTarget {
  host: string
  port: number
  /** `master`: one server. `cluster`: a node to learn the others from. */
  connectionMode: 'master' | 'cluster'
  username?: string
  password?: string
  /** Left out without TLS. */
  tls?: {
    /** PEM bundle; left out for the system's authorities. */
    ca?: string
    /** No certificate is checked. */
    insecureSkipVerify: boolean
  }
}

/** What bounds one call. */
export interface CallBounds {
  /** From the call to its settlement, whatever happens in between. */
  timeoutMs: number
  /** Gives up in whatever phase the call is. What has not been sent by then is never sent. */
  signal?: AbortSignal
}

/** One field of a user's hash as it is stored: conn id (or a legacy name), and the undecoded value. */
export interface StoredField {
  field: string
  value: string
}

/** A field to write, and the lifetime of the whole hash from then on. */
export interface AddRequest extends StoredField {
  key: string
  ttlSeconds: number
}

/** A field to delete if it still holds the value with which it was read. */
export interface StaleField extends StoredField {
  key: string
}

/** Plain numbers about a port; null for what an implementation cannot tell. */
export interface PortInspection {
  /** False when the port knows that calls could not be served now. */
  ready: boolean
  /** Calls that have not been sent: the number to watch in an outage. */
  waiting: number | null
  /** Bytes charged to them. */
  waitingBytes: number | null
  /** Calls sent and not answered. */
  inFlight: number | null
  /** Open sockets. */
  sockets: number | null
  /** Why a server is not connected, if one is not. */
  lastError?: string | null
}

export interface RedisPort {
  /**
   * HSET and EXPIRE of one hash in one atomic step, as often as redirects and passing refusals (MOVED, ASK, TRYAGAIN, READONLY, LOADING)
   * need, but never a second time after it may have run.
   * @throws RedisUnavailableError, or the server's error
   */
  add(request: AddRequest, bounds: CallBounds): Promise<void>

  /** All fields of a hash in the server's order; empty when there is none. */
  list(key: string, bounds: CallBounds): Promise<StoredField[]>

  /** As list() for each key: one result a key, in the order given, repeated keys repeated. One failure is the failure of the call. */
  listMany(keys: readonly string[], bounds: CallBounds): Promise<StoredField[][]>

  /**
   * Deletes each field whose value is still, byte for byte, the one given. A field that somebody has written meanwhile stays.
   * Fields are independent of one another: a failure of one does not keep the others.
   * @returns how many were deleted, and the first failure, if any
   */
  deleteStale(fields: readonly StaleField[], bounds: CallBounds): Promise<{ deleted: number; failure: Error | null }>

  /**
   * Asks the servers themselves, each that owns slots, whether they serve reads now.
   * @throws why not
   */
  check(bounds: CallBounds): Promise<void>

  inspect(): PortInspection

  /** Takes no more calls, settles the open ones within a bounded time, closes every socket. Does not wait for a Redis that is away. */
  close(): Promise<void>
}

/** No answer could be had: Redis is away, does not keep up, or the caller's time is over. Not an error reply. */
export class RedisUnavailableError extends Error {
  override readonly name = 'RedisUnavailableError'
  /** The client's own code, such as `SLOTWISE_TIMEOUT`. */
  readonly code: string
  /** True when the command was sent and may have run. */
  readonly maybeExecuted: boolean

  constructor(code: string, message: string, details: { maybeExecuted: boolean; cause?: unknown }) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.maybeExecuted = details.maybeExecuted
  }
}
