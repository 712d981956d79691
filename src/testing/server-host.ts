// ServerHost: what the commands of one fake server work on.
// Owns    the databases, unless it shares them with the primary it follows; the list of sessions.
// Born    with the fake server.
// Dies    with it.

import { deliver, deliverToShard } from './commands/pubsub.js'
import type { ClusterSide, Host, Replication } from './host.js'
import { Keyspace } from './keyspace.js'
import type { Session } from './session.js'

/** What a server that is a node of a cluster has the cluster do. */
export interface Membership {
  readonly side: ClusterSide
  publish(channel: string, message: string): void
  publishToShard(channel: string, message: string): void
  replication(): Replication
}

export interface HostSettings {
  readonly version: string
  readonly maxProtocol: 2 | 3
  readonly credentials: { readonly username: string; readonly password: string } | null
}

export class ServerHost implements Host {
  readonly version: string
  readonly maxProtocol: 2 | 3
  readonly credentials: { readonly username: string; readonly password: string } | null
  port = 0
  membership: Membership | null = null
  /** In milliseconds of Date.now(); the data is being loaded until then. */
  loadingUntil = Number.NEGATIVE_INFINITY
  /** The server's way to close a connection. */
  onEndSession: (session: Session) => void = () => undefined
  readonly #databases: (Keyspace | undefined)[] = []
  readonly #sessions = new Set<Session>()

  constructor(settings: HostSettings) {
    this.version = settings.version
    this.maxProtocol = settings.maxProtocol
    this.credentials = settings.credentials
  }

  get databases(): number {
    return this.membership === null ? 16 : 1
  }

  get clusterSide(): ClusterSide | null {
    return this.membership?.side ?? null
  }

  get isLoading(): boolean {
    return this.loadingUntil > Date.now()
  }

  keyspace(database: number): Keyspace {
    return (this.#databases[database] ??= new Keyspace())
  }

  setKeyspace(keyspace: Keyspace): void {
    this.#databases[0] = keyspace
  }

  sessions(): Iterable<Session> {
    return this.#sessions
  }

  addSession(session: Session): void {
    this.#sessions.add(session)
  }

  removeSession(session: Session): void {
    this.#sessions.delete(session)
  }

  endSession(session: Session): void {
    this.onEndSession(session)
  }

  publish(channel: string, message: string): number {
    const count = deliver(this.#sessions, channel, message)
    this.membership?.publish(channel, message)
    return count
  }

  publishToShard(channel: string, message: string): number {
    const count = deliverToShard(this.#sessions, channel, message)
    this.membership?.publishToShard(channel, message)
    return count
  }

  /** A message that another node of the cluster has passed on. */
  receive(channel: string, message: string, isSharded: boolean): void {
    if (isSharded) deliverToShard(this.#sessions, channel, message)
    else deliver(this.#sessions, channel, message)
  }

  replication(): Replication {
    return this.membership?.replication() ?? { role: 'primary', replicas: [] }
  }
}
