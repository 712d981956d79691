// Drivers: the same few things done with each client library, with its default options unless said otherwise.

import { createRequire } from 'node:module'

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

const makers: Record<DriverName, (addresses: readonly string[]) => Driver | Promise<Driver>> = {
  slotwise: addresses => {
    const { createClient } = require('slotwise/core') as typeof import('slotwise/core')
    const client = createClient({ cluster: addresses, maxQueuedBytes })
    const subscriptions: { close?(): unknown }[] = []
    return {
      append: (key, token) => client.execute('RPUSH', [key, token]),
      appendByScript: (key, token) => client.execute('EVAL', [script, 1, key, token]),
      appendInTransaction: (key, token) =>
        client.session(async session => {
          session.execute('MULTI').catch(() => undefined)
          session.execute('RPUSH', [key, token]).catch(() => undefined)
          return session.execute('EXEC')
        }),
      publish: (channel, message) => client.execute('PUBLISH', [channel, message]),
      subscribe: (channel, onMessage) => {
        const subscription = client.subscribe(channel, { onMessage: ({ payload }) => onMessage(payload) })
        subscriptions.push(subscription as never)
        return subscription.ready
      },
      ledger: () => {
        const { issued, settled, queued, inFlight, queuedBytes, sockets, dials, refreshes } = client.inspect()
        return { issued, settled, queued, inFlight, queuedBytes, sockets: sockets.total, dials, refreshes }
      },
      end: () => client.close(),
    }
  },
  'slotwise-api': addresses => ofCluster('slotwise', addresses, { slotwise: { resend: 'safe', maxQueuedBytes } }),
  ioredis: addresses => ofCluster('ioredis', addresses, {}),
  'node-redis': async addresses => {
    const { createCluster } = require('redis') as typeof import('redis')
    const client = createCluster({ rootNodes: addresses.map(address => ({ url: `redis://${address}` })) })
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

function ofCluster(library: 'ioredis' | 'slotwise', addresses: readonly string[], options: object): Driver {
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
    ledger: () => null,
    end: async () => {
      client.disconnect()
      subscriber.disconnect()
    },
  }
}

export async function drive(name: DriverName, addresses: readonly string[]): Promise<Driver> {
  return makers[name](addresses)
}
