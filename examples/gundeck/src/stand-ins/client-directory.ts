// ClientDirectory: what Brig knows of users' clients. The original asks it in every push.

export interface ClientDirectory {
  /** Clients, as `user client`, that take their notifications from a queue. Rejects when the directory cannot be asked. */
  queueClients(users: readonly string[]): Promise<ReadonlySet<string>>
}

/** Stand-in: there is no Brig, and no client has that capability. */
export class NoCapabilities implements ClientDirectory {
  queueClients(): Promise<ReadonlySet<string>> {
    return Promise.resolve(new Set())
  }
}
