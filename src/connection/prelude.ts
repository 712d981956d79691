// Prelude: what has to be told a server right before a call, so that it takes it.
// Source: cluster spec, "ASK redirection", "Scaling reads using replica nodes"; ASKING, READONLY, READWRITE and CLIENT CACHING command pages.

import { type Call, CallFlag } from '../command/call.js'

/** A command of the client's own. */
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
    if (call.has(CallFlag.asking)) return asking
    const change = this.#switch(call)
    if (!call.has(CallFlag.optIn)) return change
    // Counts for the very next command.
    return change.length === 0 ? caching : [...change, ...caching]
  }

  #switch(call: Call): readonly PreludeCommand[] {
    const wanted = call.has(CallFlag.fromReplica)
    // Without a key it makes no difference.
    if (wanted === this.#readOnly || (!wanted && call.slot < 0)) return nothing
    // READWRITE: a primary that has become a replica must redirect what was meant for a primary, and not answer from its copy.
    this.#readOnly = wanted
    return wanted ? readOnly : readWrite
  }
}
