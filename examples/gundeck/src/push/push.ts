// Push: the body of POST /i/push/v2. Pure.

import { z } from 'zod'
import { clientId, optional, uuid, withDefault } from '../scalars.js'

export interface Recipient {
  user: string
  route: 'any' | 'direct'
  /** Sorted; none for all clients. */
  clients: readonly string[]
}

const recipient = z
  .object({ user_id: uuid, route: z.enum(['any', 'direct']), clients: z.array(clientId) })
  .transform(({ user_id, route, clients }): Recipient => ({ user: user_id, route, clients: sortedSet(clients) }))

const payload = z.array(z.record(z.string(), z.unknown())).min(1, 'must not be empty')

export type Payload = z.output<typeof payload>

const nativeAps = z.object({
  loc_key: z.string(),
  loc_args: withDefault(z.array(z.string()), []),
  sound: optional(z.string()),
  badge: withDefault(z.boolean(), true),
})

export const pushBody = z
  .object({
    recipients: z.array(recipient),
    payload,
    origin: optional(uuid),
    origin_connection: optional(z.string()),
    connections: withDefault(z.array(z.string()), []),
    transient: withDefault(z.boolean(), false),
    native_include_origin: withDefault(z.boolean(), true),
    native_encrypt: withDefault(z.boolean(), true),
    native_aps: optional(nativeAps),
    native_priority: withDefault(z.enum(['low', 'high']), 'high'),
    is_cells_event: withDefault(z.boolean(), false),
  })
  .transform(body => ({
    recipients: recipientSet(body.recipients),
    payload: body.payload,
    origin: body.origin ?? null,
    originConn: body.origin_connection ?? null,
    connections: new Set(body.connections) as ReadonlySet<string>,
    transient: body.transient,
    nativeIncludeOrigin: body.native_include_origin,
    nativeAps: body.native_aps ?? null,
    nativePriority: body.native_priority,
  }))

export type Push = z.output<typeof pushBody>

export const pushesBody = z.array(pushBody)

/** Client ids by number: the shorter one is the smaller. */
function sortedSet(clients: readonly string[]): string[] {
  return [...new Set(clients)].sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
}

/** Exact repetitions count once; the order is user, route, clients. */
function recipientSet(recipients: readonly Recipient[]): Recipient[] {
  const byKey = new Map<string, Recipient>()
  for (const one of recipients) {
    const clients = one.clients.map(client => client.padStart(16, '0')).join()
    byKey.set(`${one.user} ${one.route} ${clients}`, one)
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}
