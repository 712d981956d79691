// Drivers: the same few things done with each client library, with its default options unless said otherwise.

import { createRequire } from 'node:module'
import type { Inspection } from 'slotwise/core'

const require = createRequire(import.meta.url)

export const driverNames = ['slotwise', 'slotwise-api', 'ioredis', 'node-redis'] as const
export type DriverName = (typeof driverNames)[number]

export interface Driver {
  append(key: string, token: number): Promise<unknown>
  appendByScript(key: string, token: number): Promise<unknown>
  appendInTransaction(key: string, token: number): Promise<unknown>
  publish(channel: string, message: string): Promise<unknown>
  /** Resolves when it is subscribed. */
  subscribe(channel: string, onMessage: (message: string) => void): Promise<unknown>
  /** Calls made, settled, waiting; null where the library does not tell. */
  ledger(): Ledger | null
  end(): Promise<unknown>
}

export interface Ledger {
  issued: number
  settled: number
  queued: number
  inFlight: number
  queuedBytes: number
  sockets: number
  dials: number
  refreshes: number
}

const script = "return redis.call('RPUSH', KEYS[1], ARGV[1])"
/** Bound of what waits, so that a test can hold the client to it. */
export const maxQueuedBytes = 8 * 2 ** 20

type Maker = (addresses: readonly string[], timeoutMs: number | undefined) => Driver | Promise<Driver>

const makers: Record<DriverName, Maker> = {
  slotwise: (addresses, timeoutMs) => {
    const { createClient } = require('slotwise/core') as typeof import('slotwise/core')
    const client = createClient({ cluster: addresses, maxQueuedBytes, ...(timeoutMs !== undefined && { timeoutMs }) })
    const subscriptions: { close?(): unknown }[] = []
    return {
      append: (key, token) => client.execute('RPUSH', [key, token]),
      appendByScript: (key, token) => client.execute('EVAL', [script, 1, key, token]),
      appendInTransaction: (key, token) =>
        client.session(async session => {
          // Its key says where; MULTI has none.
          await session.execute('WATCH', [key])
          session.execute('MULTI').catch(() => undefined)
          session.execute('RPUSH', [key, token]).catch(() => undefined)
          const replies = await session.execute('EXEC')
          if (replies === null) throw new Error('the key has changed meanwhile')
        }),
      publish: (channel, message) => client.execute('PUBLISH', [channel, message]),
      subscribe: (channel, onMessage) => {
        const subscription = client.subscribe(channel, { onMessage: ({ payload }) => onMessage(payload) })
        subscriptions.push(subscription as never)
        return subscription.ready
      },
      ledger: () => ledgerOf(client.inspect()),
      end: () => client.close(),
    }
  },
  'slotwise-api': (addresses, timeoutMs) =>
    ofCluster('slotwise', addresses, timeoutMs, { slotwise: { resend: 'safe', maxQueuedBytes } }),
  ioredis: (addresses, timeoutMs) => ofCluster('ioredis', addresses, timeoutMs, {}),
  'node-redis': async (addresses, timeoutMs) => {
    const { createCluster } = require('redis') as typeof import('redis')
    const client = createCluster({
      rootNodes: addresses.map(address => ({ url: `redis://${address}` })),
      ...(timeoutMs !== undefined && { commandOptions: { timeout: timeoutMs } }),
    })
    client.on('error', () => undefined)
    await client.connect()
    return {
      append: (key, token) => client.rPush(key, String(token)),
      appendByScript: (key, token) => client.eval(script, { keys: [key], arguments: [String(token)] }),
      appendInTransaction: (key, token) => client.multi().rPush(key, String(token)).exec(),
      publish: (channel, message) => client.publish(channel, message),
      subscribe: (channel, onMessage) => client.subscribe(channel, onMessage),
      ledger: () => null,
      end: async () => client.destroy(),
    }
  },
}

function ledgerOf({ sockets, issued, settled, queued, inFlight, queuedBytes, dials, refreshes }: Inspection): Ledger {
  return { issued, settled, queued, inFlight, queuedBytes, sockets: sockets.total, dials, refreshes }
}

function ofCluster(
  library: 'ioredis' | 'slotwise',
  addresses: readonly string[],
  commandTimeout: number | undefined,
  own: object,
): Driver {
  const options = { ...own, ...(commandTimeout !== undefined && { redisOptions: { commandTimeout } }) }
  const { Cluster } = require(library) as typeof import('ioredis')
  const nodes = addresses.map(address => {
    const [host = '', port] = address.split(':')
    return { host, port: Number(port) }
  })
  const client = new Cluster(nodes, options)
  const subscriber = new Cluster(nodes, options)
  for (const one of [client, subscriber]) one.on('error', () => undefined)
  return {
    append: (key, token) => client.rpush(key, token),
    appendByScript: (key, token) => client.eval(script, 1, key, token),
    appendInTransaction: async (key, token) => {
      const results = await client.multi().rpush(key, token).exec()
      const failure = results?.[0]?.[0]
      if (failure != null) throw failure
    },
    publish: (channel, message) => client.publish(channel, message),
    subscribe: (channel, onMessage) => {
      subscriber.on('message', (_channel, message) => onMessage(message))
      return subscriber.subscribe(channel)
    },
    // Not part of its API: the engine under it.
    ledger: () => {
      const { core } = client as unknown as { core?: { inspect?(): Inspection } | null }
      return core?.inspect === undefined ? null : ledgerOf(core.inspect())
    },
    end: async () => {
      client.disconnect()
      subscriber.disconnect()
    },
  }
}

/** @param timeoutMs deadline of each call; by default the library's own */
export async function drive(name: DriverName, addresses: readonly string[], timeoutMs?: number): Promise<Driver> {
  return makers[name](addresses, timeoutMs)
}
