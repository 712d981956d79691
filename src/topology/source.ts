// Source: where a view comes from. A cluster is asked with CLUSTER SLOTS; a standalone server has nothing to ask.

import { CallFlag } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import type { Node } from '../node/node.js'
import { SlotsReader } from './slots-reader.js'
import type { View } from './view.js'

/** One node's answer, as received. */
export interface Answer {
  node: Node
  protocol: 2 | 3
  raw: Buffer
}

export class ClusterSource {
  readonly #issuer: Issuer
  readonly #timeoutMs: number
  readonly #reader = new SlotsReader()

  /** @param timeoutMs what one node has to answer, in milliseconds */
  constructor(issuer: Issuer, timeoutMs: number) {
    this.#issuer = issuer
    this.#timeoutMs = timeoutMs
  }

  /** Asks a node that is ready, on the connection it has. Rejects when it answers with an error, not in time, or is lost. */
  ask(node: Node): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const protocol = node.protocol ?? 3
      const onOutcome = (outcome: unknown) => {
        if (outcome instanceof Error) reject(outcome)
        else resolve({ node, protocol, raw: outcome as Buffer })
      }
      const call = this.#issuer.issueInternal('CLUSTER', ['SLOTS'], this.#timeoutMs, CallFlag.raw, onOutcome)
      call.extras = { expectedRaw: this.#reader.known }
      node.send(call)
    })
  }

  /** Reads an answer; an answer of the same bytes gives the same View. Throws SLOTWISE_PROTOCOL when it is no CLUSTER SLOTS reply. */
  read({ node, protocol, raw }: Answer): View {
    return this.#reader.read(raw, protocol, node.endpoint.host)
  }
}
