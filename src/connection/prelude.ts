// Prelude: what has to be told a server right before a call, so that it takes it.
// Sources: cluster spec, "ASK redirection", "Scaling reads using replica nodes"; ASKING, READONLY, READWRITE and CLIENT CACHING command
// pages.

import { type Call, CallFlag } from '../command/call.js'

/** A command to be sent before a call. */
export interface PreludeCommand {
  readonly name: string
  readonly args: readonly string[]
}

const nothing: readonly PreludeCommand[] = []
const asking: readonly PreludeCommand[] = [{ name: 'ASKING', args: [] }]
const readOnly: readonly PreludeCommand[] = [{ name: 'READONLY', args: [] }]
const readWrite: readonly PreludeCommand[] = [{ name: 'READWRITE', args: [] }]
const caching: readonly PreludeCommand[] = [{ name: 'CLIENT', args: ['CACHING', 'YES'] }]

/** Flags of calls that may have a prelude. */
const special = CallFlag.asking | CallFlag.fromReplica | CallFlag.optIn

export class Prelude {
  /** The server, if it is a replica, answers reads of its primary's slots. */
  #readOnly = false

  /** Commands to be sent before the call. Their replies say nothing that the call's own does not say. */
  before(call: Call): readonly PreludeCommand[] {
    if (!this.#readOnly && (call.flags & special) === 0) return nothing
    // Both hold for the very next command only; what is asked for here is not kept, so it need not be tracked either.
    if (call.has(CallFlag.asking)) return asking
    const wanted = call.has(CallFlag.fromReplica)
    const prefix = call.has(CallFlag.optIn) ? caching : nothing
    // Without a key it makes no difference.
    if (wanted === this.#readOnly || (!wanted && call.slot < 0)) return prefix
    // READWRITE: a primary that has become a replica must redirect what was meant for a primary, and not answer from its copy.
    this.#readOnly = wanted
    const mode = wanted ? readOnly : readWrite
    return prefix === nothing ? mode : [...mode, ...prefix]
  }
}
