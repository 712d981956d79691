// Native pushes: who is to get one. Pure. Sending them is the NativePush's, of which this port has a stand-in only.

import type { Presence } from '../presence/presence.js'
import type { Notification, NumberedPush } from '../push/fan-out.js'
import type { Recipient } from '../push/push.js'

/** Where a device takes native pushes. */
export interface NativeAddress {
  user: string
  client: string
  conn: string
}

/** One recipient of one push. */
export interface NativeMessage {
  notification: Notification
  priority: 'low' | 'high'
  recipient: Recipient
  /** Whether an address of the recipient's is to get it. */
  accepts(address: NativeAddress): boolean
}

/** Sends to the addresses of a recipient. Failures are its own: nobody waits for their repetition. */
export interface NativePush {
  send(message: NativeMessage): Promise<void>
}

/**
 * What one push means for native delivery.
 * @param delivered the presences whose websocket has the notification
 */
export function nativeMessages({ push, notification }: NumberedPush, delivered: readonly Presence[]): NativeMessage[] {
  if (push.transient) return []
  const reached = new Set<string>()
  for (const { user, client } of delivered) if (client !== null) reached.add(`${user} ${client}`)
  return push.recipients
    .filter(({ user, route }) => route !== 'direct' && (user !== push.origin || push.nativeIncludeOrigin))
    .map(recipient => ({
      notification,
      priority: push.nativePriority,
      recipient,
      accepts: ({ user, client, conn }) =>
        !(push.origin === user && push.originConn === conn) &&
        (recipient.clients.length === 0 || recipient.clients.includes(client)) &&
        (push.connections.size === 0 || push.connections.has(conn)) &&
        !reached.has(`${user} ${client}`),
    }))
}
