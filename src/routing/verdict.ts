// Verdict: what an error reply means for the call that got it. Pure.
// Source: cluster spec, "Redirection and resharding"; error codes of Redis.

import { parseRedirect, type Redirect, type ReplyError, type SlotwiseError } from '../errors.js'

export type Verdict =
  /** The slot lives elsewhere from now on: assign it, send the call there. */
  | { kind: 'moved'; redirect: Redirect }
  /** This key is being moved: send this one call there, behind ASKING. */
  | { kind: 'ask'; redirect: Redirect }
  /** The server could not run it now: try again after a pause. `evidence`: the slot map may not be right. */
  | { kind: 'retry'; evidence: 'waiting' | 'urgent' | null }
  /** The reply is the caller's. */
  | { kind: 'fail' }

const fail: Verdict = { kind: 'fail' }

/** @param clustered whether the client has a slot map: a standalone server's redirects and READONLY are the caller's */
export function verdict(error: ReplyError, clustered: boolean): Verdict {
  switch (error.code) {
    case 'MOVED':
    case 'ASK': {
      const redirect = clustered ? parseRedirect(error) : null
      if (redirect === null) return fail
      return { kind: error.code === 'MOVED' ? 'moved' : 'ask', redirect }
    }
    // Keys of a multi-key command are split between two nodes for the moment.
    case 'TRYAGAIN':
      return clustered ? { kind: 'retry', evidence: null } : fail
    // Still reading its data set; goes away by itself on any kind of server.
    case 'LOADING':
      return { kind: 'retry', evidence: null }
    // Not run: the cluster has no quorum, or this node does not see it while somebody else serves the slot already. Nobody tells when that changes.
    case 'CLUSTERDOWN':
      return clustered ? { kind: 'retry', evidence: 'waiting' } : fail
    // Not run: a replica has no primary, or what we took for a primary is a replica.
    case 'MASTERDOWN':
    case 'READONLY':
      return clustered ? { kind: 'retry', evidence: 'urgent' } : fail
    default:
      return fail
  }
}

export type ResendMode = 'safe' | 'all' | 'none'

/** Whether a call that was written and not answered is sent again on another connection. */
export function mayResend(mode: ResendMode, repeatable: boolean): boolean {
  return mode === 'all' || (mode === 'safe' && repeatable)
}

const replyFaults: ReadonlySet<string> = new Set([
  'SLOTWISE_PROTOCOL',
  'SLOTWISE_LIMIT_DEPTH',
  'SLOTWISE_LIMIT_BULK',
  'SLOTWISE_LIMIT_AGGREGATE',
])

/** True when a connection was ended because of what the server had sent, that is by the reply that was due next. */
export function endedByReply(reason: SlotwiseError): boolean {
  return replyFaults.has(reason.code)
}
