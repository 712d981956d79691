// LatencyProbe: how fast each server answers, by a PING now and then.
// Owns    the timer between two rounds, and the averages.
// Born    with a router that reads where it is fastest.
// Dies    by stop().
// Holds   a PING is sent only on a connection that is there, one at a time for each server.

import { noTimeoutMs } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import type { Node } from '../node/node.js'

const intervalMs = 1000
/** Weight of the newest answer. */
const newest = 0.3

export class LatencyProbe {
  readonly #issuer: Issuer
  readonly #nodes: () => readonly Node[]
  #latencyMs = new WeakMap<Node, number>()
  readonly #asked = new Set<Node>()
  #timer: NodeJS.Timeout | null = null

  constructor(issuer: Issuer, nodes: () => readonly Node[]) {
    this.#issuer = issuer
    this.#nodes = nodes
    this.#arm(0)
  }

  latencyMs(node: Node): number | null {
    return this.#latencyMs.get(node) ?? null
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(this.#onTimer, delayMs)
    this.#timer.unref()
  }

  readonly #onTimer = (): void => {
    for (const node of this.#nodes()) if (!this.#asked.has(node)) this.#ask(node)
    this.#arm(intervalMs)
  }

  #ask(node: Node): void {
    const startedAt = performance.now()
    this.#asked.add(node)
    const call = this.#issuer.issueInternal('PING', [], noTimeoutMs, 0, outcome => {
      this.#asked.delete(node)
      if (outcome instanceof Error) return
      const tookMs = performance.now() - startedAt
      const before = this.#latencyMs.get(node) ?? tookMs
      this.#latencyMs.set(node, before + newest * (tookMs - before))
    })
    node.send(call)
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
  }
}
