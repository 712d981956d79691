// ClusterState: what is true of a fake cluster now, and what was true before, as far back as the node that lags most needs it.
// Owns    the current map and those before it.
// Born    with the cluster.
// Dies    with it.

import { ClusterMap, type Member, slotCount } from './cluster-map.js'

export class ClusterState {
  #map: ClusterMap
  /** Older maps, oldest first; empty unless a node lags. */
  #history: ClusterMap[] = []
  #longestLagMs = 0

  constructor(requiresFullCoverage: boolean) {
    this.#map = new ClusterMap({
      members: new Map(),
      owners: new Uint16Array(slotCount),
      // Place 0 stands for nobody.
      ids: [''],
      moves: new Map(),
      currentEpoch: 0,
      isSwitchedDown: false,
      requiresFullCoverage,
    })
  }

  get map(): ClusterMap {
    return this.#map
  }

  set map(map: ClusterMap) {
    if (this.#longestLagMs > 0) {
      this.#history.push(this.#map)
      const horizon = Date.now() - this.#longestLagMs
      while (this.#history.length > 1 && (this.#history[1] as ClusterMap).since <= horizon) this.#history.shift()
    }
    this.#map = map
  }

  /** From now on maps are kept for at least so long. */
  keepFor(lagMs: number): void {
    this.#longestLagMs = Math.max(this.#longestLagMs, lagMs)
  }

  /** What was true so long ago. */
  mapBefore(lagMs: number): ClusterMap {
    const time = Date.now() - lagMs
    if (this.#map.since <= time) return this.#map
    return this.#history.findLast(map => map.since <= time) ?? this.#history[0] ?? this.#map
  }

  /** Changes a member, if it is one. */
  update(id: string, change: Partial<Member>): void {
    const member = this.#map.member(id)
    if (member !== undefined) this.map = this.#map.withMember({ ...member, ...change })
  }
}
