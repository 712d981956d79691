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
  /** The command to be answered next may rightly take its time on the server (BLPOP and its like). */
  blocking: boolean
}

export type LivenessVerdict =
  /** Look again after this many milliseconds. */
  { kind: 'alive'; lookAgainMs: number } | { kind: 'ping' } | { kind: 'silent' }

export function liveness({ silentMs, replyDue, blocking }: Silence, limits: LivenessLimits): LivenessVerdict {
  const { pingIntervalMs, silenceTimeoutMs } = limits
  if (blocking) return { kind: 'alive', lookAgainMs: pingIntervalMs }
  if (replyDue) {
    if (silentMs >= silenceTimeoutMs) return { kind: 'silent' }
    return { kind: 'alive', lookAgainMs: silenceTimeoutMs - silentMs }
  }
  if (silentMs >= pingIntervalMs) return { kind: 'ping' }
  return { kind: 'alive', lookAgainMs: pingIntervalMs - silentMs }
}
