// HandBackOrder: what becomes of the calls that a lost connection hands back to a DirectClient. Pure.

import { type Call, CallFlag } from '../command/call.js'
import type { HandBack } from '../connection/call-queue.js'
import type { SlotwiseError } from '../errors.js'
import { endedByReply, mayResend, type ResendMode } from '../routing/verdict.js'

export interface SortedHandBack {
  /** To be written again, in this order. */
  again: { call: Call; wasSent: boolean }[]
  /** May have run, and must not run twice; or stood in a transaction that has gone with its connection. */
  lost: Call[]
  /** Its reply has ended the connection, and would end the next. */
  faulty: Call[]
}

export function sortHandBack(
  { unanswered, unsent, due }: HandBack,
  reason: SlotwiseError,
  resend: ResendMode,
): SortedHandBack {
  const sorted: SortedHandBack = { again: [], lost: [], faulty: [] }
  /** The MULTI is among those to be written again, so what follows it may be, too. */
  let inMulti = false
  const sort = (call: Call, wasSent: boolean) => {
    const { name } = call.spec
    const started = call.extras?.collector?.started === true
    const mayRun = !started && (!wasSent || mayResend(resend, call.has(CallFlag.repeatable)))
    if (wasSent && call === due && endedByReply(reason)) sorted.faulty.push(call)
    else if (!mayRun || (call.has(CallFlag.fragment) && !inMulti)) sorted.lost.push(call)
    else {
      if (name === 'MULTI' && !call.has(CallFlag.several)) inMulti = true
      else if (name === 'EXEC' || name === 'DISCARD') inMulti = false
      sorted.again.push({ call, wasSent })
    }
  }
  for (const call of unanswered) sort(call, true)
  for (const call of unsent) sort(call, false)
  return sorted
}
