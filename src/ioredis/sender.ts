// Sender: what commands are sent through.

import type { Argument, CommandName, Outcome } from '../core.js'

export type Resolve = (outcome: Outcome) => void
/** The frames of a transaction. */
export type Parts = readonly { head: string; args: readonly Argument[] }[]

/** What commands are sent through. `slot` is where a Cluster sends it, -1 for any node. */
export interface Sender {
  submit(
    name: CommandName,
    args: readonly Argument[],
    flags: number,
    timeoutMs: number,
    resolve: Resolve,
    slot?: number,
  ): unknown
  submitTransaction(parts: Parts, flags: number, timeoutMs: number, resolve: Resolve, slot?: number): unknown
}
