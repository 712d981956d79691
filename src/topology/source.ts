// Source: where a view comes from. A cluster is asked with CLUSTER SLOTS; a standalone server has nothing to ask.

import { CallFlag } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import type { Node } from '../node/node.js'
import type { Reply } from '../resp/decoder.js'
import { type Epochs, parseEpochs } from './epochs.js'
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
  async ask(node: Node): Promise<Answer> {
    const protocol = node.protocol ?? 3
    return { node, protocol, raw: (await this.#call(node, 'SLOTS', CallFlag.raw)) as Buffer }
  }

  /** Asks how new the claims are that a node knows. Resolves with null when it does not tell, for whatever reason. */
  async askEpochs(node: Node): Promise<Epochs | null> {
    try {
      return parseEpochs((await this.#call(node, 'NODES', 0)) as Reply)
    } catch {
      return null
    }
  }

  #call(node: Node, subcommand: string, flags: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onOutcome = (outcome: unknown) => {
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      }
      const call = this.#issuer.issueInternal('CLUSTER', [subcommand], this.#timeoutMs, flags, onOutcome)
      if (flags !== 0) call.extras = { expectedRaw: this.#reader.known }
      node.send(call)
    })
  }

  /** Reads an answer; an answer of the same bytes gives the same View. Throws SLOTWISE_PROTOCOL when it is no CLUSTER SLOTS reply. */
  read({ node, protocol, raw }: Answer): View {
    return this.#reader.read(raw, protocol, node.endpoint.host)
  }
}
