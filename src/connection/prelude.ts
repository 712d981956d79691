// Prelude: what has to be told a server right before a call, so that it takes it.
// Source: cluster spec, "ASK redirection", "Scaling reads using replica nodes"; ASKING, READONLY and READWRITE command pages.

import { type Call, CallFlag } from '../command/call.js'

const nothing: readonly string[] = []
const asking: readonly string[] = ['ASKING']
const readOnly: readonly string[] = ['READONLY']
const readWrite: readonly string[] = ['READWRITE']

/** Flags of calls that may have a prelude. */
const special = CallFlag.asking | CallFlag.fromReplica

export class Prelude {
  /** The server, if it is a replica, answers reads of its primary's slots. */
  #readOnly = false

  /** Commands to be sent before the call. Their replies say nothing that the call's own does not say. */
  before(call: Call): readonly string[] {
    if (!this.#readOnly && (call.flags & special) === 0) return nothing
    if (call.has(CallFlag.asking)) return asking
    const wanted = call.has(CallFlag.fromReplica)
    // Without a key it makes no difference.
    if (wanted === this.#readOnly || (!wanted && call.slot < 0)) return nothing
    // READWRITE: a primary that has become a replica must redirect what was meant for a primary, and not answer from its copy.
    this.#readOnly = wanted
    return wanted ? readOnly : readWrite
  }
}
