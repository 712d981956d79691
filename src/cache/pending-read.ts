// PendingRead: a read that has been sent for the cache, and everybody who waits for its reply.
// Owns    the calls that wait for the reply of another call, their leader.
// Born    with a miss, in a Region.
// Dies    with the reply or the failure of its leader; what still waits then is given to the engine.
// Holds   the leader has been dispatched; nobody else has, so they are counted here as waiting.

import type { Call, CallHolder } from '../command/call.js'
import type { Argument, CommandSpec } from '../command/command.js'
import type { ErrorDetails } from '../errors.js'
import type { Reply } from '../resp/decoder.js'
import { sameArguments } from './value.js'

/** One who waits. */
export interface Reader {
  /** Null while it is being made. */
  call: Call | null
  /** Gets a reply of its own, or an error. */
  readonly deliver: (outcome: Reply | Error) => void
}

/** @typeParam Home what is known of its server */
export class PendingRead<Home extends { node: { endpoint: { key: string } } }> implements CallHolder {
  readonly region: Home
  /** What it reads; null for keys that are not cached. */
  readonly keys: readonly (string | null)[]
  readonly slot: number
  readonly spec: CommandSpec
  readonly flags: number
  readonly args: readonly Argument[]
  leader: Reader | null = null
  /** Its reply may be older than news that has come: it is not to be stored, and nobody joins any more. */
  raced = false
  /** Another is being made leader. */
  promoting = false
  readonly #followers = new Map<Call, Reader>()

  constructor(
    region: Home,
    keys: readonly (string | null)[],
    slot: number,
    spec: CommandSpec,
    flags: number,
    args: readonly Argument[],
  ) {
    this.region = region
    this.keys = keys
    this.slot = slot
    this.spec = spec
    this.flags = flags
    this.args = args
  }

  matches(spec: CommandSpec, flags: number, args: readonly Argument[]): boolean {
    return this.spec === spec && this.flags === flags && sameArguments(this.args, args)
  }

  follow(call: Call, reader: Reader): void {
    call.holder = this
    this.#followers.set(call, reader)
  }

  /** The next one who still waits, for somebody else to hold. */
  shift(): Reader | undefined {
    for (const [call, reader] of this.#followers) {
      this.#followers.delete(call)
      call.holder = null
      return reader
    }
    return undefined
  }

  get waiting(): number {
    return this.#followers.size
  }

  forget(call: Call): void {
    this.#followers.delete(call)
  }

  situation(): ErrorDetails {
    return { endpoint: this.region.node.endpoint.key }
  }
}
