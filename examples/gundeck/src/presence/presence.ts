// Presence: one websocket of one user, on the wire and in Redis. Pure.

import { z } from 'zod'
import type { StoredField } from '../redis/port.js'
import { clientId, integer, isAbsoluteUri, optional, parseClientId, resource, uuid } from '../scalars.js'

export interface Presence {
  user: string
  conn: string
  resource: string
  client: string | null
  createdAtMs: number
  /** The field it was read from; null when it was not. */
  stored: StoredField | null
}

/** A presence as a Cannon registers it. `created_at` is checked and not used: the clock of this service counts. */
export const presenceBody = z
  .object({
    user_id: uuid,
    device_id: z.string(),
    resource,
    client_id: optional(clientId),
    created_at: optional(integer),
  })
  .transform(body => ({
    user: body.user_id,
    conn: body.device_id,
    resource: body.resource,
    client: body.client_id ?? null,
  }))

export function presenceJson(presence: Presence) {
  return {
    user_id: presence.user,
    device_id: presence.conn,
    resource: presence.resource,
    client_id: presence.client,
    created_at: presence.createdAtMs,
  }
}

export function keyOf(user: string): string {
  return `user:${user}`
}

export function encodePresence({
  conn,
  client,
  resource,
  createdAtMs,
}: Omit<Presence, 'user' | 'stored'>): StoredField {
  return { field: conn, value: JSON.stringify({ c: client, r: resource, t: createdAtMs }) }
}

/** Null for what is no presence, new or old form. */
export function decodePresence(user: string, stored: StoredField): Presence | null {
  const value = decodeValue(stored.value)
  if (value === null) return null
  // Old fields are `<conn>@<cannon>`.
  const conn = stored.field.split('@', 1)[0] as string
  return { user, conn, ...value, stored }
}

function decodeValue(text: string): Pick<Presence, 'resource' | 'client' | 'createdAtMs'> | null {
  // Old values are the resource alone.
  if (text.startsWith('http')) return isAbsoluteUri(text) ? { resource: text, client: null, createdAtMs: 0 } : null
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof parsed !== 'object' || parsed === null) return null
  const { r, c = null, t = 0 } = parsed as { r?: unknown; c?: unknown; t?: unknown }
  if (typeof r !== 'string' || !isAbsoluteUri(r)) return null
  const client = typeof c === 'string' ? parseClientId(c) : null
  if (c !== null && client === null) return null
  const createdAtMs = t ?? 0
  if (!Number.isInteger(createdAtMs)) return null
  return { resource: r, client, createdAtMs: Math.max(0, createdAtMs as number) }
}
