// OutageWatch: notices that every server has failed, and asks the client's user how long to leave them alone.
// Owns    the list of those that have failed since any was connected, and the timer of the pause.
// Born    with the client.
// Dies    by stop().
// Holds   the user is asked once for each round of failures, and never during the pause. Until the topology is known, a server that
//         cannot tell it is as good as one that cannot be reached.

import type { DialGate } from '../node/dial-gate.js'
import type { Node } from '../node/node.js'
import type { Topology } from '../topology/topology.js'
import type { Turn } from '../turn.js'
import type { ClientObserver } from './observer.js'

export class OutageWatch {
  readonly #failed = new Set<Node>()
  readonly #topology: Topology
  readonly #gate: DialGate
  readonly #turn: Turn
  readonly #observer: ClientObserver
  readonly #giveUp: () => void
  #pause: NodeJS.Timeout | null = null
  #stopped = false

  /** @param giveUp the user wants no further attempt */
  constructor(topology: Topology, gate: DialGate, turn: Turn, observer: ClientObserver, giveUp: () => void) {
    this.#topology = topology
    this.#gate = gate
    this.#turn = turn
    this.#observer = observer
    this.#giveUp = giveUp
  }

  onNodeReady(): void {
    if (this.#topology.view !== null) this.#failed.clear()
  }

  onRefreshed(): void {
    this.#failed.clear()
  }

  /** The node was connected, and has not told what the topology is. */
  onAskFailed(node: Node, error: Error): void {
    if (this.#topology.view === null) this.onFailed(node, error)
  }

  onFailed(node: Node, error: Error): void {
    if (this.#observer.onAllFailed === undefined || this.#pause !== null || this.#stopped) return
    this.#failed.add(node)
    if (!this.#topology.isHopeless(this.#failed)) return
    this.#failed.clear()
    const pauseMs = this.#observer.onAllFailed(error)
    if (pauseMs === null) {
      this.#giveUp()
      return
    }
    this.#gate.pause(this.#turn.now(), pauseMs)
    this.#pause = setTimeout(() => {
      this.endPause()
      this.#observer.onRetry?.()
    }, pauseMs)
  }

  /** Servers may be dialled again. */
  endPause(): void {
    if (this.#pause === null) return
    clearTimeout(this.#pause)
    this.#pause = null
    this.#gate.resume()
    for (const node of this.#topology.nodes) node.hasten()
  }

  stop(): void {
    this.#stopped = true
    if (this.#pause !== null) clearTimeout(this.#pause)
  }
}
