// Cannon: a small websocket server that does to a Gundeck what Wire's Cannon does. For tests and trials: a real server, and no more
// than the Gundeck can tell.
// Owns    the HTTP server, the websockets, the connections to the Gundeck.
// Dies    by close().

import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type Logger, pino } from 'pino'
import { Registry } from 'prom-client'
import { Agent, request } from 'undici'
import { type WebSocket, WebSocketServer } from 'ws'
import { z } from 'zod'
import { createApp, read, readBody, requireJson } from '../http/app.js'
import { ServiceError } from '../http/errors.js'
import { requestDuration } from '../metrics.js'
import { optional, parseClientId, uuid, withDefault } from '../scalars.js'
import { Sockets } from './sockets.js'

export interface CannonOptions {
  gundeckUrl: string
  /** Default 0: any. */
  port?: number
  /** Default 127.0.0.1. */
  host?: string
  /** Under which the Gundeck reaches this Cannon. Default: `host`. */
  externalHost?: string
  pingIntervalMs?: number
  pongTimeoutMs?: number
  maxLifetimeMs?: number
  /** Of one attempt to register with the Gundeck. */
  gundeckTimeoutMs?: number
  log?: Logger
}

export interface Cannon {
  readonly port: number
  /** `http://host:port` */
  readonly url: string
  /** Websockets that messages would reach. */
  readonly connections: number
  /** Bulk push requests answered. */
  readonly bulkPushes: number
  close(graceMs?: number): Promise<void>
}

const threeDaysMs = 3 * 86_400_000
const registerDelaysMs = [100, 200, 400]
const maxRequestBytes = 64 * 1024 * 1024

const target = z.object({ user_id: uuid, conn_id: z.string() })
const bulkPush = z.object({
  bulkpush_req: z.array(
    z.object({
      notification: z
        .object({
          id: uuid,
          transient: withDefault(z.boolean(), false),
          payload: z.array(z.record(z.string(), z.unknown())).min(1),
        })
        .transform(({ id, transient, payload }) => ({ id, transient, payload })),
      targets: z.array(target),
    }),
  ),
})
const pushParams = z.object({ user: uuid, conn: z.string() })
const presences = z.array(z.object({ device_id: z.string() }))
const upgradeHeaders = z.object({ 'z-user': uuid, 'z-connection': z.string().min(1) })
const upgradeClient = optional(z.string())

export async function startCannon(options: CannonOptions): Promise<Cannon> {
  const { gundeckUrl, host = '127.0.0.1', gundeckTimeoutMs = 30_000 } = options
  const log = options.log ?? pino({ level: 'silent' })
  const registry = new Registry()
  const sockets = new Sockets({
    pingIntervalMs: options.pingIntervalMs ?? 15_000,
    pongTimeoutMs: options.pongTimeoutMs ?? 30_000,
    maxLifetimeMs: options.maxLifetimeMs ?? threeDaysMs,
  })
  const agent = new Agent({ connections: 128 })
  const upgrades = new WebSocketServer({ noServer: true })
  let bulkPushes = 0
  let url = ''

  const app = createApp({
    log,
    duration: requestDuration(registry),
    maxRequestBytes,
    onFailure: (error, request) => request.log.error({ err: error }, 'request failed'),
  })
  app.get('/i/status', (_request, reply) => reply.send())
  app.get('/i/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
  app.post('/i/bulkpush', async request => {
    requireJson(request)
    const { bulkpush_req } = readBody(request, bulkPush)
    const results: object[] = []
    // Notifications in their order, the targets of each at the same time.
    for (const { notification, targets } of bulkpush_req) {
      const message = Buffer.from(JSON.stringify(notification))
      const sent = await Promise.all(
        targets.map(async target => {
          const ok = await sockets.send(target.user_id, target.conn_id, message)
          return { notif_id: notification.id, target, status: ok ? 'push_status_ok' : 'push_status_gone' }
        }),
      )
      results.push(...sent)
    }
    bulkPushes++
    return { bulkpush_resp: results }
  })
  app.post('/i/push/:user/:conn', async (request, reply) => {
    const { user, conn } = read(pushParams, request.params)
    if (await sockets.send(user, conn, request.body as Buffer)) return reply.send()
    throw new ServiceError(410, 'general', 'client gone')
  })
  app.head('/i/presences/:user/:conn', async (request, reply) => {
    const { user, conn } = read(pushParams, request.params)
    const response = await ask('GET', `/i/presences/${user}`)
    const known = read(presences, JSON.parse(response.text))
    if (known.some(presence => presence.device_id === conn)) return reply.send()
    throw new ServiceError(404, 'not-found', 'presence not registered')
  })

  async function ask(method: 'GET' | 'POST', path: string, body?: object): Promise<{ status: number; text: string }> {
    const response = await request(`${gundeckUrl}${path}`, {
      method,
      dispatcher: agent,
      signal: AbortSignal.timeout(gundeckTimeoutMs),
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    return { status: response.statusCode, text: await response.body.text() }
  }

  async function register(user: string, conn: string, client: string | null, socket: WebSocket): Promise<void> {
    const resource = `${url}/i/push/${user}/${encodeURIComponent(conn)}`
    const presence = { user_id: user, device_id: conn, resource, client_id: client }
    for (const pauseMs of [...registerDelaysMs, null]) {
      let failure: string
      try {
        const { status } = await ask('POST', '/i/presences', presence)
        if (status === 201) return
        failure = `the Gundeck answered ${status}`
        if (status < 500) break
      } catch (error) {
        failure = (error as Error).message
      }
      log.warn({ user, conn, failure }, 'not registered')
      // Nobody is to be registered who has gone meanwhile.
      if (pauseMs === null || socket.readyState !== socket.OPEN) break
      await delay(pauseMs)
    }
    sockets.remove(user, conn, socket)
    socket.close(1011, 'not registered')
  }

  app.server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://cannon')
    const headers = upgradeHeaders.safeParse(incoming.headers)
    const given = upgradeClient.safeParse(searchParams.get('client'))
    const client = given.data === undefined ? null : parseClientId(given.data)
    const known = pathname === '/await' || pathname === '/websocket'
    if (!known || !headers.success || (given.data !== undefined && client === null)) {
      socket.end(
        `HTTP/1.1 ${known ? '400 Bad Request' : '404 Not Found'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      )
      return
    }
    const { 'z-user': user, 'z-connection': conn } = headers.data
    upgrades.handleUpgrade(incoming, socket, head, websocket => {
      sockets.add(user, conn, websocket)
      void register(user, conn, client, websocket)
    })
  })

  await app.listen({ host, port: options.port ?? 0 })
  const { port } = app.server.address() as AddressInfo
  url = `http://${options.externalHost ?? host}:${port}`
  return {
    port,
    url,
    get connections() {
      return sockets.size
    },
    get bulkPushes() {
      return bulkPushes
    },
    async close(graceMs = 1000) {
      await sockets.close(graceMs)
      await app.close()
      await agent.destroy()
    },
  }
}
