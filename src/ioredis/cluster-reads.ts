// ClusterReads: reads that a function of the user's sends where it likes (option `scaleReads`).

import { CommandFlag, type Engine, type Node } from '../core.js'
import type { Command } from './command.js'
import type { Redis } from './redis.js'
import type { Sender } from './sender.js'

export type ScaleReads = (nodes: Redis[], command: Command) => Redis | Redis[] | undefined | null

export interface ReadingCluster {
  readonly options: { scaleReads?: unknown }
  readonly core: Engine | null
  /** How any command is sent. */
  readonly sender: Sender
  handleOf(node: Node): Redis
}

/** How to send the command: to the node that the user's function chooses of those of the slot, or as any other where it chooses none. */
export function senderOfRead(cluster: ReadingCluster, command: Command, slot: number): Sender {
  const { core: engine, sender, options } = cluster
  const shard = slot < 0 ? undefined : engine?.topology.map.shardOf(slot)
  const reads = (command.resolved().spec.flags & CommandFlag.readonly) !== 0 && command.group === null
  if (!shard || !reads) return sender
  const nodes = [shard.primary, ...shard.replicas]
  const handles = nodes.map(node => cluster.handleOf(node))
  const chosen = (options.scaleReads as ScaleReads)(handles, command)
  const one = Array.isArray(chosen) ? chosen[Math.floor(Math.random() * chosen.length)] : chosen
  const readAt = nodes[handles.indexOf(one as Redis)]
  if (readAt === undefined) return sender
  readAt.open()
  return {
    ...sender,
    submit: (name, args, flags, timeoutMs, resolve, to = -1) =>
      engine?.submit(name, args, to, flags, timeoutMs, resolve, { readAt }),
  }
}
