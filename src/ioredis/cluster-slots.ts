// ClusterSlots: who serves which slot, as ioredis' users read it. Worked out when it is first asked for.

import type { Engine, Node } from '../core.js'
import type { Command } from './command.js'

const slotCount = 16384

export class ClusterSlots {
  readonly #client: Engine | null
  #slots: string[][] | null = null
  #primaries: ReadonlySet<Node> | null = null
  #groupIds: Record<string, number> | null = null
  #groupsBySlot: (number | undefined)[] | null = null

  /** @param client the client whose map it reads; null for an empty one */
  constructor(client: Engine | null) {
    this.#client = client
  }

  /** `host:port` of the primary and the replicas of each slot; empty as long as nothing is known. */
  get slots(): string[][] {
    this.#slots ??= this.#read()
    return this.#slots
  }

  #read(): string[][] {
    const topology = this.#client?.topology
    const slots: string[][] = []
    if (topology === undefined || topology.view === null) return slots
    const keys = new Map<unknown, string[]>()
    for (let slot = 0; slot < slotCount; slot++) {
      const shard = topology.map.shardOf(slot)
      if (shard === null) continue
      let nodes = keys.get(shard)
      if (nodes === undefined) {
        nodes = [shard.primary, ...shard.replicas].map(({ endpoint }) => `${endpoint.host}:${endpoint.port}`)
        keys.set(shard, nodes)
      }
      slots[slot] = nodes
    }
    return slots
  }

  isPrimary(node: Node): boolean {
    this.#primaries ??= new Set(this.#client?.topology.primaries ?? [])
    return this.#primaries.has(node)
  }

  get groupIds(): Record<string, number> {
    if (this.#groupIds === null) this.#group()
    return this.#groupIds as Record<string, number>
  }

  get groupsBySlot(): (number | undefined)[] {
    if (this.#groupsBySlot === null) this.#group()
    return this.#groupsBySlot as (number | undefined)[]
  }

  #group(): void {
    const ids: Record<string, number> = Object.create(null)
    const bySlot: (number | undefined)[] = Array(slotCount)
    let next = 0
    this.slots.forEach((keys, slot) => {
      bySlot[slot] = ids[keys.join(';')] ??= ++next
    })
    this.#groupIds = ids
    this.#groupsBySlot = bySlot
  }
}

/** A transaction has the slots of one group of nodes; the server refuses it when it has several. */
export function checkTransaction(
  commands: readonly Command[],
  map: { primaryOf(slot: number): Node | null } | undefined,
): Error | null {
  const slots = [...new Set(commands.flatMap(command => command.getKeySlots()))]
  const owners = slots.map(slot => map?.primaryOf(slot) ?? slot)
  if (new Set(owners).size > 1) {
    return new Error('All keys in the pipeline should belong to the same slots allocation group')
  }
  for (const command of commands) command.slotHint = slots[0] ?? -1
  return null
}
