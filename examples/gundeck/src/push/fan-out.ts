// FanOut: which presence gets which notification, and what each Cannon is sent. Pure.

import { z } from 'zod'
import type { Presence } from '../presence/presence.js'
import { uuid } from '../scalars.js'
import type { Payload, Push } from './push.js'

export interface Notification {
  id: string
  transient: boolean
  payload: Payload
}

export interface NumberedPush {
  push: Push
  notification: Notification
}

/** What one Cannon is sent in one request. */
export interface BulkPush {
  endpoint: string
  /** Presences in order; one that is named by two recipients comes twice. */
  batches: { notification: Notification; presences: Presence[] }[]
}

/** The presences that get the notification, in the order of recipients. */
export function presencesFor(push: Push, presencesOf: (user: string) => readonly Presence[]): Presence[] {
  return push.recipients.flatMap(({ user, clients }) =>
    presencesOf(user).filter(
      presence =>
        !(push.origin === presence.user && push.originConn === presence.conn) &&
        (push.connections.size === 0 || push.connections.has(presence.conn)) &&
        (clients.length === 0 || presence.client === null || clients.includes(presence.client)),
    ),
  )
}

/** The Cannon's address for bulk pushes: the resource with another path. */
export function endpointOf(resource: string): string {
  const url = new URL(resource)
  url.pathname = '/i/bulkpush'
  url.hash = ''
  return url.href
}

/** One request for each Cannon. */
export function planBulkPushes(
  pushes: readonly NumberedPush[],
  presencesOf: (user: string) => readonly Presence[],
): BulkPush[] {
  const plans = new Map<string, Map<string, BulkPush['batches'][number]>>()
  for (const { push, notification } of pushes) {
    for (const presence of presencesFor(push, presencesOf)) {
      const endpoint = endpointOf(presence.resource)
      let batches = plans.get(endpoint)
      if (batches === undefined) plans.set(endpoint, (batches = new Map()))
      const batch = batches.get(notification.id)
      if (batch === undefined) batches.set(notification.id, { notification, presences: [presence] })
      else batch.presences.push(presence)
    }
  }
  return Array.from(plans, ([endpoint, batches]) => ({ endpoint, batches: [...batches.values()] }))
}

export function bulkPushJson({ batches }: BulkPush) {
  return {
    bulkpush_req: batches.map(({ notification, presences }) => ({
      notification,
      targets: presences.map(({ user, conn }) => ({ user_id: user, conn_id: conn })),
    })),
  }
}

const target = z.object({ user_id: uuid, conn_id: z.string() })

export const bulkPushResponse = z.object({
  bulkpush_resp: z.array(z.object({ notif_id: uuid, target, status: z.enum(['push_status_ok', 'push_status_gone']) })),
})

export type BulkPushResponse = z.output<typeof bulkPushResponse>

export interface Answered {
  delivered: { notificationId: string; presence: Presence }[]
  gone: Presence[]
}

/**
 * What a Cannon's answer says about each presence. A target that it leaves out is neither delivered nor gone.
 * @returns null when it speaks of a target it was not sent
 */
export function readAnswer(sent: BulkPush, response: BulkPushResponse): Answered | null {
  const presencesOf = new Map<string, Presence[]>()
  for (const { notification, presences } of sent.batches) {
    for (const presence of presences) {
      const key = targetKey(notification.id, presence.user, presence.conn)
      const others = presencesOf.get(key)
      if (others === undefined) presencesOf.set(key, [presence])
      else others.push(presence)
    }
  }
  const answered: Answered = { delivered: [], gone: [] }
  const gone = new Set<Presence>()
  for (const { notif_id, target, status } of response.bulkpush_resp) {
    const presences = presencesOf.get(targetKey(notif_id, target.user_id, target.conn_id))
    if (presences === undefined) return null
    for (const presence of presences) {
      if (status === 'push_status_ok') answered.delivered.push({ notificationId: notif_id, presence })
      else gone.add(presence)
    }
  }
  answered.gone = [...gone]
  return answered
}

function targetKey(notificationId: string, user: string, conn: string): string {
  return `${notificationId} ${user} ${conn}`
}

/** Ten days: presences of a Cannon that cannot be reached are kept so long, so that its restart loses none. */
export const unreachableMaxAgeMs = 864_000_000

/** A registration that seems to lie in the future is young: the clock of another instance is ahead. */
export function isStale(presence: Presence, nowMs: number): boolean {
  return nowMs - presence.createdAtMs > unreachableMaxAgeMs
}
