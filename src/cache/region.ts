// Region: what is kept from one server, and the connection whose tracking covers it.

import type { Node } from '../node/node.js'

export class Region {
  readonly node: Node
  /** The connection on which tracking is on; null while nothing may be kept. */
  carrier: object | null = null
  /** Keys about which something is kept. */
  readonly keys = new Set<string>()

  constructor(node: Node) {
    this.node = node
  }
}
