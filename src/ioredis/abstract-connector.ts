// AbstractConnector: what opens a Redis object's sockets when it does not dial by itself; base of those that users write.

import type { Socket } from 'node:net'
import { endSocket } from '../core.js'

/** Reports an event of the connector's, such as `sentinelError`. */
export type ErrorEmitter = (event: string, error: Error) => void

export interface ConnectorLike {
  /** A socket to the server, open or opening. */
  connect(emit: ErrorEmitter): Promise<Socket>
  /** Gives up what is under way; the socket ends. */
  disconnect(): void
  /** Whether the server is the one that is wanted, by its INFO. */
  check(info: Readonly<Record<string, string>>): boolean
}

/** Base of connectors that users write. */
export abstract class AbstractConnector implements ConnectorLike {
  protected connecting = false
  protected stream: Socket | undefined
  protected readonly disconnectTimeout: number

  /** @param disconnectTimeout milliseconds a socket is given to end before it is destroyed */
  constructor(disconnectTimeout: number) {
    this.disconnectTimeout = disconnectTimeout
  }

  abstract connect(emit: ErrorEmitter): Promise<Socket>

  check(_info: Readonly<Record<string, string>>): boolean {
    return true
  }

  disconnect(): void {
    this.connecting = false
    if (this.stream !== undefined) endSocket(this.stream, this.disconnectTimeout)
  }
}
