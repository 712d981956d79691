// CommandKind: what is known of a command by its name alone, found once for each spelling.
// Owns    the names looked up so far.
// Born    with the module; dies with the process.
// Holds   at most `maxKinds` names, whatever callers pass in.

import { type Argument, CommandFlag, type CommandName, nameFor, resolveCommand } from '../core.js'
import { hasMethod } from './method-names.js'

const maxKinds = 2048

const subscribing = new Set('subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe'.split(' '))
const stateful = new Set([...subscribing, ...'multi exec discard watch unwatch monitor reset quit'.split(' ')])

export class CommandKind {
  /** As it was called. */
  readonly name: string
  /** There is a method for it. A module's command has none: it is routed as the core knows best, and is not touched otherwise. */
  readonly isKnown: boolean
  /** It says what the connection is to be told of. */
  readonly subscribes: boolean
  /** It gives its connection a state of its own. */
  readonly isStateful: boolean
  readonly isClient: boolean
  /** Null until it is first sent, and where the arguments decide. */
  #resolved: CommandName | null = null

  constructor(name: string) {
    const lower = name.toLowerCase()
    this.name = name
    this.isKnown = hasMethod(lower)
    this.subscribes = subscribing.has(lower)
    this.isStateful = stateful.has(lower)
    this.isClient = lower === 'client'
  }

  /**
   * Name and spec as the core has them.
   * @throws SlotwiseError SLOTWISE_INVALID_ARGUMENT when no server could read the name
   */
  resolved(args: readonly Argument[]): CommandName {
    if (this.#resolved !== null) return this.#resolved
    const name = resolveCommand(this.name)
    if ((name.spec.flags & CommandFlag.container) !== 0) return nameFor(name, args)
    this.#resolved = name
    return name
  }
}

const kinds = new Map<string, CommandKind>()

export function kindOf(name: string): CommandKind {
  const known = kinds.get(name)
  if (known !== undefined) return known
  const kind = new CommandKind(String(name))
  if (kinds.size >= maxKinds) kinds.clear()
  kinds.set(name, kind)
  return kind
}
