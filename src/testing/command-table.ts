// CommandTable: every command that a fake server knows.

import { type CommandSpec, parseHeading } from './command-spec.js'
import { cluster } from './commands/cluster.js'
import { connection } from './commands/connection.js'
import { hashes } from './commands/hashes.js'
import { keys } from './commands/keys.js'
import { lists } from './commands/lists.js'
import { pubsub } from './commands/pubsub.js'
import { server } from './commands/server.js'
import { sets } from './commands/sets.js'
import { strings } from './commands/strings.js'
import { transactions } from './commands/transactions.js'
import type { Commands } from './host.js'

export interface Known {
  readonly spec: CommandSpec
  readonly run: Commands[string]
}

/** EXEC is carried out by the executor. */
export const execSpec = parseHeading('EXEC 1 ln')

const byName = new Map<string, Known>()
const containers = new Set<string>()
for (const group of [strings, hashes, lists, sets, keys, transactions, connection, pubsub, server, cluster]) {
  for (const [heading, run] of Object.entries(group)) {
    const spec = parseHeading(heading)
    byName.set(spec.name, { spec, run: run as Commands[string] })
    const [container, subcommand] = spec.name.split('|') as [string, string?]
    if (subcommand !== undefined) containers.add(container)
  }
}

/** Names as a server spells them: `get`, `client|id`. */
export const knownCommands: readonly string[] = [...byName.keys(), execSpec.name].sort()

/** A command by its lower-case name, `client|id` for a subcommand. */
export function commandNamed(name: string): Known | undefined {
  return byName.get(name)
}

export function isContainer(name: string): boolean {
  return containers.has(name)
}
