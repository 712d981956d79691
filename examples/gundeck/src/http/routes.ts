// Routes: the endpoints of the service.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Config } from '../config.js'
import type { Metrics } from '../metrics.js'
import { type Presence, presenceBody, presenceJson } from '../presence/presence.js'
import type { PresenceStore } from '../presence/store.js'
import type { NumberedPush } from '../push/fan-out.js'
import { pushesBody } from '../push/push.js'
import type { Pusher } from '../push/pusher.js'
import { timeOfUuidV1, type UuidV1 } from '../push/uuid-v1.js'
import type { CallBounds } from '../redis/port.js'
import { clientId, uuid } from '../scalars.js'
import type { ClientDirectory } from '../stand-ins/client-directory.js'
import type { NotificationStore } from '../stand-ins/notification-store.js'
import { callerSignal, read, readBody, requireJson } from './app.js'
import { notPorted, RequestError, ServiceError } from './errors.js'

export interface RouteParts {
  limits: Config['limits']
  presences: PresenceStore
  pusher: Pusher
  clients: ClientDirectory
  notifications: NotificationStore
  ids: UuidV1
  metrics: Metrics
  /** Rejects with what keeps the service from its work. */
  checkReadiness(): Promise<void>
  onPushFailed(error: Error): void
  now: () => number
}

export function addRoutes(app: FastifyInstance, parts: RouteParts): void {
  addObservability(app, parts)
  addPresences(app, parts)
  addPushes(app, parts)
  addNotifications(app, parts)
  addNotPorted(app)
}

function addObservability(app: FastifyInstance, { metrics, checkReadiness }: RouteParts): void {
  app.get('/i/status', (_request, reply) => reply.send())
  app.get('/i/ready', async (_request, reply) => {
    try {
      await checkReadiness()
    } catch (error) {
      throw new ServiceError(503, 'not-ready', (error as Error).message)
    }
    return reply.send()
  })
  app.get('/i/metrics', async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  })
}

function addPresences(app: FastifyInstance, { limits, presences, now }: RouteParts): void {
  /** A caller who has gone is waited for no longer: a registration that has not been sent by then is not made. */
  const bounds = (reply: FastifyReply): CallBounds => ({
    timeoutMs: limits.requestTimeoutMs,
    signal: callerSignal(reply),
  })
  const userParam = z.object({ user: uuid })
  const idsQuery = z.object({ ids: z.string().transform(ids => (ids === '' ? [] : ids.split(','))) })
  const ids = z.array(uuid)

  app.get('/i/presences', async (request, reply) => {
    const users = read(ids, read(idsQuery, request.query).ids)
    const lists = await presences.listMany(users, bounds(reply))
    return lists.flat().map(presenceJson)
  })
  app.get('/i/presences/:user', async (request, reply) => {
    const { user } = read(userParam, request.params)
    return (await presences.list(user, bounds(reply))).map(presenceJson)
  })
  app.post('/i/presences', async (request, reply) => {
    const presence: Presence = { ...readBody(request, presenceBody), createdAtMs: now(), stored: null }
    await presences.add(presence, bounds(reply))
    return reply.code(201).header('location', presence.resource).send()
  })
  // For old Cannons. Presences go by being replaced, by expiry, and by the clean-up after a push.
  app.delete('/i/presences/:user/devices/:conn/cannons/:cannon', async (request, reply) => {
    read(userParam, request.params)
    return reply.send()
  })
}

function addPushes(app: FastifyInstance, parts: RouteParts): void {
  const { pusher, clients, notifications, ids, onPushFailed, now } = parts
  app.post('/i/push/v2', async (request, reply) => {
    requireJson(request)
    const pushes = readBody(request, pushesBody)
    try {
      await clients.queueClients([...new Set(pushes.flatMap(push => push.recipients.map(({ user }) => user)))])
      const numbered = pushes.map((push): NumberedPush => {
        const { payload, transient } = push
        return { push, notification: { id: ids.next(now()), transient, payload } }
      })
      for (const { push, notification } of numbered) {
        if (push.transient || push.recipients.length === 0) continue
        const { id, payload } = notification
        await notifications.append({ id, payload }, push.recipients, JSON.stringify(payload).length)
      }
      pusher.start(numbered, (request.body as Buffer).length, request.id)
    } catch (error) {
      onPushFailed(error as Error)
      throw new ServiceError(500, 'server-error', 'Server Error')
    }
    return reply.send()
  })
}

function addNotifications(app: FastifyInstance, { notifications, now }: RouteParts): void {
  const query = z.object({
    client: clientId.optional(),
    since: uuid.refine(id => timeOfUuidV1(id) !== null, 'must be a UUID of version 1').optional(),
    size: z.coerce.number().int().min(100).max(10_000).default(1000),
  })
  for (const url of ['/notifications', '/v3/notifications']) {
    app.get(url, async request => {
      const user = readUser(request)
      const { client = null, since = null, size } = read(query, request.query)
      const page = await notifications.list(user, { client, since, size })
      if (page === null) throw new ServiceError(404, 'not-found', 'Some notifications not found')
      return { notifications: page.notifications, has_more: page.hasMore, time: new Date(now()).toISOString() }
    })
  }
}

function readUser(request: FastifyRequest): string {
  const user = uuid.safeParse(request.headers['z-user'])
  if (!user.success) throw new RequestError(400, 'Header Z-User: must be a UUID')
  return user.data
}

function addNotPorted(app: FastifyInstance): void {
  const tokens = 'native push tokens'
  const single = 'single notifications'
  const queues = 'consumable notifications'
  const routes: ['DELETE' | 'GET' | 'POST', string, string][] = [
    ['DELETE', '/i/clients/:client', 'removal of a client'],
    ['DELETE', '/i/user', 'removal of a user'],
    ['GET', '/i/push-tokens/:user', tokens],
    ['POST', '/i/users/:user/clients/:client/consumable-notifications', queues],
    ['POST', '/push/tokens', tokens],
    ['GET', '/push/tokens', tokens],
    ['DELETE', '/push/tokens/:token', tokens],
    ['GET', '/notifications/last', single],
    ['GET', '/notifications/:id', single],
    ['GET', '/time', 'the time'],
  ]
  for (const [method, url, what] of routes) {
    app.route({
      method,
      url,
      handler: () => {
        throw notPorted(what)
      },
    })
  }
}
