// RefreshOurs: what our refresh does with a reply, from the bytes as they come off the socket. Nothing is dialled.

import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import type { Epochs } from '../../dist/topology/epochs.js'
import type { Topology } from '../../dist/topology/topology.js'

// The compiled package's own modules: the refresh has no public entry.
const require = createRequire(resolve(process.cwd(), 'package.json'))
const { Topology: TopologyClass } =
  require('./dist/topology/topology.js') as typeof import('../../dist/topology/topology.js')
const { SlotsReader } =
  require('./dist/topology/slots-reader.js') as typeof import('../../dist/topology/slots-reader.js')
const { parseEpochs } = require('./dist/topology/epochs.js') as typeof import('../../dist/topology/epochs.js')
const { judge } = require('./dist/topology/verdict.js') as typeof import('../../dist/topology/verdict.js')
const { createDecoder } = require('./dist/resp/create-decoder.js') as typeof import('../../dist/resp/create-decoder.js')
const { ReplyFormat } = require('./dist/resp/decoder.js') as typeof import('../../dist/resp/decoder.js')

const chunkBytes = 64 * 1024

/** Nodes that are never opened need nothing of their context. */
const unused = {} as ConstructorParameters<typeof Topology>[1]

/** Offers nobody to be dialled. */
class UndialledTopology extends TopologyClass {
  override anyNode(): null {
    return null
  }
}

export class OurRefresh {
  readonly #topology: Topology = new UndialledTopology([], unused)
  readonly #reader = new SlotsReader()
  #answer: Buffer | null = null
  /** Of the owners in the view in use, once they have been told. */
  #epochs: Epochs | null = null
  readonly #decoder = createDecoder(3, {
    nextFormat: () => ReplyFormat.raw,
    expectedRaw: () => this.#reader.known,
    onReply: reply => {
      this.#answer = reply as Buffer
    },
    onError: error => {
      throw error
    },
    onPush: () => undefined,
  })

  /**
   * Takes in an answer, step by step as TopologyRefresher does, in chunks as a socket gives them; true when another map is in use
   * afterwards.
   * @param nodes what the node says to CLUSTER NODES, where it is asked
   */
  refresh(bytes: Buffer, nodes: string | null = null): boolean {
    const held = this.#topology.view === null ? null : { view: this.#topology.view, epochs: this.#epochs }
    for (let at = 0; at < bytes.length; at += chunkBytes) this.#decoder.execute(bytes.subarray(at, at + chunkBytes))
    const view = this.#reader.read(this.#answer as Buffer, 3, '10.0.0.1')
    const epochs = nodes === null ? null : parseEpochs(nodes)
    const verdict = judge(held, [{ view, same: this.#topology.holds(view), epochs }], true)
    if (verdict.kind !== 'install') return false
    this.#epochs = verdict.epochs
    return this.#topology.apply(verdict.view)
  }

  get nodeCount(): number {
    return this.#topology.nodes.length
  }
}
