// Source: where a view comes from. A cluster is asked with CLUSTER SLOTS; a standalone server has nothing to ask.

import { CallFlag } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import type { Node } from '../node/node.js'
import { decodeReply } from '../resp/decode-reply.js'
import { parseClusterSlots, type View } from './view.js'

/** One node's answer: the bytes as received, and how to read them. Equal bytes need no reading. */
export interface Answer {
  node: Node
  raw: Buffer
}

export class ClusterSource {
  readonly #issuer: Issuer
  readonly #timeoutMs: number

  /** @param timeoutMs what one node has to answer, in milliseconds */
  constructor(issuer: Issuer, timeoutMs: number) {
    this.#issuer = issuer
    this.#timeoutMs = timeoutMs
  }

  /**
   * Asks a node that is ready, on the connection it has. Rejects when it answers with an error, not in time, or is lost.
   * @param expected bytes of the answer last seen; an equal answer comes back as this very Buffer
   */
  ask(node: Node, expected: Buffer | null): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const onOutcome = (outcome: unknown) => {
        if (outcome instanceof Error) reject(outcome)
        else resolve({ node, raw: outcome as Buffer })
      }
      const call = this.#issuer.issueInternal('CLUSTER', ['SLOTS'], this.#timeoutMs, CallFlag.raw, onOutcome)
      call.extras = { expectedRaw: expected }
      node.send(call)
    })
  }

  /** Reads an answer. Throws SLOTWISE_PROTOCOL when it is not a CLUSTER SLOTS reply. */
  read(answer: Answer): View {
    return parseClusterSlots(decodeReply(answer.raw), answer.node.endpoint.host)
  }
}
