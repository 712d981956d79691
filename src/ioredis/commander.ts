// Commander: the types of the methods that stand for commands. No code; the methods are made in methods.ts.
//
// commander.generated.ts has a method for each command. What a method returns depends on what it stands on:
// Result<T, Context> is a promise on a client, and the pipeline itself on a pipeline. Users add methods to
// RedisCommander and ChainableCommander by merging, through the package's root, so these are not to be copied here.

import type { ChainableCommander } from './commander.generated.js'

export type { ChainableCommander, ClientContext, RedisCommander, Result, ResultTypes } from './commander.generated.js'
export type { Callback, Numeric, RedisKey, RedisValue } from './commander-types.js'

/** The methods that begin a pipeline or a transaction. */
export interface Transaction<Mapping extends 'resp2' | 'resp3' = 'resp2'> {
  /** Collects commands, to be sent together by exec. */
  pipeline(commands?: unknown[][]): ChainableCommander<Mapping>
  /** Begins a transaction on the connection, whose commands are sent at once. */
  multi(options: { pipeline: false }): Promise<'OK'>
  /** Collects commands, to be sent together and executed as one by exec. */
  multi(commands?: unknown[][] | { pipeline: true }): ChainableCommander<Mapping>
}
