// StallWatch: looks from time to time for primaries that owe replies and are silent.
// Owns    its timer, which keeps no process alive.
// Born    with the TopologyRefresher; works from start() on.
// Dies    by stop().
// Holds   a silent primary may have been replaced long before its silence has lasted long enough to give it up. Who is asked meanwhile are the
//         others, and it is not concerned: one that takes its time keeps its connection and its calls.

import type { Topology } from './topology.js'

const lookMs = 500

export class StallWatch {
  readonly #topology: Pick<Topology, 'hasStalled'>
  readonly #onStalled: () => void
  #timer: NodeJS.Timeout | null = null

  /** @param onStalled somebody has been found; told at each look while it lasts */
  constructor(topology: Pick<Topology, 'hasStalled'>, onStalled: () => void) {
    this.#topology = topology
    this.#onStalled = onStalled
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      // What has arrived during a stall of the event loop is read first.
      setImmediate(this.#look)
    }, lookMs).unref()
  }

  readonly #look = (): void => {
    if (this.#timer !== null && this.#topology.hasStalled) this.#onStalled()
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }
}
