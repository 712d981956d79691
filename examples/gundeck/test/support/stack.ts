// Stack: a Gundeck with its Cannons as a test wants them, users with websockets, and what is asked of them over HTTP.

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, afterEach, expect } from 'vitest'
import { WebSocket } from 'ws'
import type { LocalServer } from '../../../../scripts/local-server.mjs'
import { eventually } from '../../../../test/support/settled.js'
import { type Cannon, startCannon } from '../../src/cannon/cannon.js'
import { type Config, resolveConfig } from '../../src/config.js'
import { createGundeck, type Gundeck, type GundeckParts } from '../../src/gundeck.js'
import type { RedisPort } from '../../src/redis/port.js'
import { openSlotwise } from '../../src/redis/slotwise.js'

export interface RedisAt {
  address: string
  mode: 'master' | 'cluster'
  tls?: { tlsCa?: string; insecureSkipVerifyTls?: boolean }
}

export interface StartOptions extends Partial<Omit<GundeckParts, 'config' | 'redis' | 'additionalRedis' | 'log'>> {
  redis: RedisAt
  additional?: RedisAt
  limits?: Partial<Config['limits']>
  settings?: object
  env?: NodeJS.ProcessEnv
}

/** A service under test, and what it logged at Info and above. */
export interface Running {
  readonly url: string
  readonly service: Gundeck
  readonly redis: RedisPort
  readonly additionalRedis: RedisPort | null
  readonly logged: { level: number; msg: string; [field: string]: unknown }[]
  close(): Promise<void>
}

export interface PresenceJson {
  user_id: string
  device_id: string
  resource: string
  client_id: string | null
  created_at: number
}

const warn = 40

function redisYaml({ address, mode, tls }: RedisAt) {
  const [host, port] = address.split(':')
  const plain = { enableTls: tls !== undefined, insecureSkipVerifyTls: false }
  return { host, port: Number(port), connectionMode: mode, ...plain, ...tls }
}

export async function startGundeck(options: StartOptions): Promise<Running> {
  const { redis: at, additional, limits, settings, env = {}, ...parts } = options
  const config = resolveConfig(
    {
      gundeck: { host: '127.0.0.1', port: 0 },
      redis: redisYaml(at),
      redisAdditionalWrite: additional === undefined ? null : redisYaml(additional),
      settings,
      limits,
    },
    env,
  )
  const bounds = { maxQueuedBytes: config.limits.maxQueuedBytes, maxQueueAgeMs: config.limits.backgroundTimeoutMs }
  const redis = openSlotwise(config.redis, bounds)
  const additionalRedis =
    config.redisAdditionalWrite === null ? null : openSlotwise(config.redisAdditionalWrite, bounds)
  const logged: Running['logged'] = []
  const log = pino({ level: 'info' }, { write: line => logged.push(JSON.parse(line)) })
  const service = createGundeck({ ...parts, config, redis, additionalRedis, log })
  const port = await service.listen()
  return {
    url: `http://127.0.0.1:${port}`,
    service,
    redis,
    additionalRedis,
    logged,
    close: () => service.close(),
  }
}

/** Runs things that are closed after the test, or after the file's tests, in the order in which they are named here. */
export function useStack(): {
  gundeck(options: StartOptions): Promise<Running>
  cannon(gundeck: Running): Promise<Cannon>
  device(cannon: Cannon, gundeck: Running, options?: DeviceOptions): Promise<Device>
  keep<Thing extends { close(): unknown }>(thing: Thing): Thing
  /** What is made in this function is closed after the file's tests. */
  shared<Result>(make: () => Promise<Result>): Promise<Result>
} {
  type Closable = { close(): unknown }
  const forTest: Closable[] = []
  const forFile: Closable[] = []
  let kept = forTest
  const closeAll = async (things: Closable[]) => {
    for (const thing of things.splice(0).reverse()) await thing.close()
  }
  afterEach(() => closeAll(forTest))
  afterAll(() => closeAll(forFile))
  const keep = <Thing extends Closable>(thing: Thing): Thing => {
    kept.push(thing)
    return thing
  }
  return {
    keep,
    async shared(make) {
      kept = forFile
      try {
        return await make()
      } finally {
        kept = forTest
      }
    },
    gundeck: async options => keep(await startGundeck(options)),
    cannon: async gundeck => keep(await startCannon({ gundeckUrl: gundeck.url })),
    async device(cannon, gundeck, options) {
      const device = keep(new Device(cannon, options))
      await device.registered(gundeck)
      return device
    },
  }
}

// ---- users

export interface DeviceOptions {
  user?: string
  conn?: string
  client?: string
}

let conns = 0

/** A websocket client of one user. */
export class Device {
  readonly user: string
  readonly conn: string
  /** Messages that nobody has taken, oldest first. */
  readonly messages: { id: string; transient: boolean; payload: unknown[] }[] = []
  readonly raw: Buffer[] = []
  readonly socket: WebSocket

  constructor(cannon: Cannon, { user = randomUUID(), conn = `conn-${++conns}`, client }: DeviceOptions = {}) {
    this.user = user
    this.conn = conn
    const query = client === undefined ? '' : `?client=${client}`
    this.socket = new WebSocket(`${cannon.url.replace('http', 'ws')}/await${query}`, {
      headers: { 'Z-User': user, 'Z-Connection': conn },
    })
    this.socket.on('error', () => undefined)
    this.socket.on('message', (data: Buffer) => {
      this.raw.push(data)
      if (String(data).startsWith('{')) this.messages.push(JSON.parse(String(data)))
    })
  }

  get open(): boolean {
    return this.socket.readyState === WebSocket.OPEN
  }

  /** Waits until the Gundeck lists it. */
  async registered(gundeck: Running): Promise<void> {
    if (this.socket.readyState === WebSocket.CONNECTING) await once(this.socket, 'open')
    await eventually(async () => {
      const listed = await presences(gundeck, this.user)
      expect(listed.some(({ device_id }) => device_id === this.conn)).toBe(true)
    })
  }

  /** The payload of the next message, which comes within the limit. */
  async message(limitMs = 1000): Promise<unknown[]> {
    await eventually(() => expect(this.messages, `messages of ${this.conn}`).not.toEqual([]), limitMs, 2)
    return this.messages.shift()!.payload
  }

  close(): void {
    this.socket.terminate()
  }
}

// ---- HTTP

export interface Answer {
  status: number
  text: string
  headers: Headers
  json(): unknown
}

export async function call(
  gundeck: { url: string },
  method: string,
  path: string,
  body?: unknown,
  more: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Answer> {
  const response = await fetch(`${gundeck.url}${path}`, {
    method,
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...more.headers },
    ...(more.signal !== undefined && { signal: more.signal }),
  })
  const text = await response.text()
  return { status: response.status, text, headers: response.headers, json: () => JSON.parse(text) }
}

export async function presences(gundeck: Running, user: string): Promise<PresenceJson[]> {
  const answer = await call(gundeck, 'GET', `/i/presences/${user}`)
  expect(answer.status, answer.text).toBe(200)
  return answer.json() as PresenceJson[]
}

export function register(
  gundeck: Running,
  user: string,
  conn: string,
  resource = 'http://127.0.0.1:1/',
  signal?: AbortSignal,
): Promise<Answer> {
  const body = { user_id: user, device_id: conn, resource }
  return call(gundeck, 'POST', '/i/presences', body, signal === undefined ? {} : { signal })
}

export interface PushOptions {
  origin?: string
  origin_connection?: string
  connections?: string[]
  transient?: boolean
  payload?: object[]
  clients?: string[]
  native_include_origin?: boolean
}

export function pushTo(users: readonly string[], { clients = [], payload, ...rest }: PushOptions = {}) {
  return {
    recipients: users.map(user_id => ({ user_id, route: 'any', clients })),
    payload: payload ?? [{ foo: 42 }],
    ...rest,
  }
}

export async function push(gundeck: Running, ...pushes: object[]): Promise<void> {
  const answer = await call(gundeck, 'POST', '/i/push/v2', pushes)
  expect({ status: answer.status, text: answer.text }).toEqual({ status: 200, text: '' })
}

/** Waits until no push is under way. */
export async function pushesDone(gundeck: Running, limitMs = 5000): Promise<void> {
  await eventually(() => expect(gundeck.service.inspectPushes()).toEqual({ pushes: 0, bytes: 0 }), limitMs)
}

/** The sum of a metric over its labels; 0 when it has none yet. */
export async function metric(gundeck: Running, name: string, labels: Record<string, string> = {}): Promise<number> {
  const found = await gundeck.service.metrics.registry.getSingleMetric(name)?.get()
  const values = (found?.values ?? []) as { value: number; labels: Record<string, unknown> }[]
  return values
    .filter(value => Object.entries(labels).every(([label, wanted]) => value.labels[label] === wanted))
    .reduce((sum, { value }) => sum + value, 0)
}

export function warnings(gundeck: Running): string[] {
  return gundeck.logged.filter(({ level }) => level >= warn).map(({ msg }) => msg)
}

// ---- Redis

/** How often a field has been written on a server since it started: its append-only file has every write that it made or was sent. */
export function timesWritten(server: LocalServer, field: string): number {
  const folder = join(server.dir, 'appendonlydir')
  const manifest = readFileSync(join(folder, 'appendonly.aof.manifest'), 'utf8')
  const files = [...manifest.matchAll(/^file (\S+) .* type i/gm)].map(match => match[1]!)
  const text = files.map(file => readFileSync(join(folder, file), 'utf8')).join('')
  return text.split(`\r\n${field}\r\n`).length - 1
}
