// Host: what a command needs of the fake server that it runs on.

import type { Answer, Failure } from './answer.js'
import type { CommandSpec } from './command-spec.js'
import type { Keyspace } from './keyspace.js'
import type { Session } from './session.js'

export interface Host {
  readonly port: number
  /** What HELLO and INFO say. */
  readonly version: string
  readonly maxProtocol: 2 | 3
  readonly credentials: { readonly username: string; readonly password: string } | null
  readonly databases: number
  /** Null for a server that is no node of a cluster. */
  readonly clusterSide: ClusterSide | null
  readonly isLoading: boolean
  keyspace(database: number): Keyspace
  sessions(): Iterable<Session>
  endSession(session: Session): void
  /** Sends a message to everybody who is subscribed. @returns how many of this server's connections got it */
  publish(channel: string, message: string): number
  publishToShard(channel: string, message: string): number
  replication(): Replication
}

export type Replication =
  | { readonly role: 'primary'; readonly replicas: readonly { readonly host: string; readonly port: number }[] }
  | { readonly role: 'replica'; readonly host: string; readonly port: number; readonly isLinked: boolean }

/** A command, and the keys or shard channels it concerns. */
export interface Keyed {
  readonly spec: CommandSpec
  readonly keys: readonly string[]
}

/** What a node of a cluster knows about it. */
export interface ClusterSide {
  readonly id: string
  readonly isReplica: boolean
  /** Why these commands cannot be served here: a redirect or another error; null when they can. */
  refusal(session: Session, commands: readonly Keyed[]): Failure | null
  slots(protocol: 2 | 3): Answer
  shards(): Answer
  nodes(): string
  replicasOf(id: string): readonly string[] | null
  info(): string
}

/** A command that runs. */
export interface Call {
  readonly host: Host
  readonly session: Session
  readonly data: Keyspace
  /** Date.now() when it began: one for a whole transaction. */
  readonly now: number
  /** It is part of a transaction: it cannot wait. */
  readonly inTransaction: boolean
}

/** The words after the name. The arity has been checked: where it promises a word, there is one. */
export type Words = readonly [string, string, string, string, ...string[]]

/** Headings (see `parseHeading`) and what the commands do. */
export type Commands = Readonly<Record<string, (words: Words, call: Call) => Answer>>
