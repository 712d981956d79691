// Liveness: what a connection's silence means. Pure.

export interface LivenessLimits {
  /** Silence after which the peer is pinged, in milliseconds. */
  pingIntervalMs: number
  /** Silence after which the peer is given up while a reply is due, in milliseconds. */
  silenceTimeoutMs: number
}

export interface Silence {
  /** Since anything was received, or since the oldest unanswered command was written, whichever is later. */
  silentMs: number
  /** Commands have been written and not answered. */
  replyDue: boolean
  /** How long the command to be answered next may rightly block on the server: 0 for most, Infinity for ever. */
  blockingMs: number
}

export type LivenessVerdict =
  /** Look again after this many milliseconds. */
  { kind: 'alive'; lookAgainMs: number } | { kind: 'ping' } | { kind: 'silent' }

export function liveness({ silentMs, replyDue, blockingMs }: Silence, limits: LivenessLimits): LivenessVerdict {
  const { pingIntervalMs, silenceTimeoutMs } = limits
  if (replyDue) {
    if (blockingMs === Infinity) return { kind: 'alive', lookAgainMs: pingIntervalMs }
    const leftMs = blockingMs + silenceTimeoutMs - silentMs
    if (leftMs <= 0) return { kind: 'silent' }
    // A blocking command may be answered early, and what comes after it has no such grace.
    return { kind: 'alive', lookAgainMs: blockingMs === 0 ? leftMs : Math.min(leftMs, pingIntervalMs) }
  }
  if (silentMs >= pingIntervalMs) return { kind: 'ping' }
  return { kind: 'alive', lookAgainMs: pingIntervalMs - silentMs }
}
