// RefreshOurs: what our refresh does with a reply, from the bytes as they come off the socket. Nothing is dialled.

import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import type { Topology } from '../../dist/topology/topology.js'
import type { View } from '../../dist/topology/view.js'

// The compiled package's own modules: the refresh has no public entry.
const require = createRequire(resolve(process.cwd(), 'package.json'))
const { Topology: TopologyClass } =
  require('./dist/topology/topology.js') as typeof import('../../dist/topology/topology.js')
const { parseClusterSlots } = require('./dist/topology/view.js') as typeof import('../../dist/topology/view.js')
const { decodeReply } = require('./dist/resp/decode-reply.js') as typeof import('../../dist/resp/decode-reply.js')
const { createDecoder } = require('./dist/resp/create-decoder.js') as typeof import('../../dist/resp/create-decoder.js')
const { ReplyFormat } = require('./dist/resp/decoder.js') as typeof import('../../dist/resp/decoder.js')

const chunkBytes = 64 * 1024

/** Nodes that are never opened need nothing of their context. */
const unused = {} as ConstructorParameters<typeof Topology>[1]

export class OurRefresh {
  readonly #topology: Topology = new TopologyClass([], unused)
  #held: Buffer | null = null
  #answer: Buffer | null = null
  readonly #decoder = createDecoder(3, {
    nextFormat: () => ReplyFormat.raw,
    expectedRaw: () => this.#held,
    onReply: reply => {
      this.#answer = reply as Buffer
    },
    onError: error => {
      throw error
    },
    onPush: () => undefined,
  })

  /** Takes in an answer as the refresher does; true when another map is in use afterwards. */
  refresh(bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length; at += chunkBytes) this.#decoder.execute(bytes.subarray(at, at + chunkBytes))
    const answer = this.#answer as Buffer
    if (answer === this.#held) return false
    const view: View = parseClusterSlots(decodeReply(answer), '10.0.0.1')
    this.#held = answer
    if (this.#topology.holds(view)) return false
    return this.#topology.apply(view)
  }

  get nodeCount(): number {
    return this.#topology.nodes.length
  }
}
