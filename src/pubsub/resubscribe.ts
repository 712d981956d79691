// Resubscribe: subscribes a new connection to what the last one was subscribed to.

import { CallFlag, noTimeoutMs, type Outcome } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import type { Connection } from '../connection/connection.js'
import { SlotwiseError } from '../errors.js'
import { Confirmations } from './confirmations.js'
import type { SubscriptionSet } from './subscription-set.js'

const kinds = ['subscribe', 'psubscribe', 'ssubscribe'] as const

/**
 * Empties the set, which the confirmations fill again.
 * @param wanted false to leave it empty
 * @param onTrouble is told what the server has against it
 */
export function resubscribe(
  connection: Connection,
  issuer: Issuer,
  subscriptions: SubscriptionSet,
  wanted: boolean,
  onTrouble: (error: Error) => void,
): void {
  if (subscriptions.size === 0) return
  const names = kinds.map(kind => subscriptions.names(kind))
  subscriptions.clear()
  if (!wanted) return
  // The connection's own end is told elsewhere.
  const onOutcome = (outcome: Outcome) => {
    if (outcome instanceof Error && !(outcome instanceof SlotwiseError)) onTrouble(outcome)
  }
  kinds.forEach((kind, i) => {
    const all = names[i] as Buffer[]
    // Shard channels one by one: in a cluster they need not be of one slot.
    const groups = kind === 'ssubscribe' ? all.map(name => [name]) : all.length === 0 ? [] : [all]
    for (const group of groups) {
      const call = issuer.issueInternal(kind, group, noTimeoutMs, CallFlag.several, onOutcome)
      call.extras = { collector: new Confirmations(kind, group.length, subscriptions) }
      connection.send(call)
    }
  })
}
