// Clients: each of those compared, behind one face.

import { BareClient } from '../bare-client.mjs'

type Args = readonly (string | number)[]

/** What a workload needs of a client. */
export interface BenchClient {
  call(name: string, args: Args): Promise<unknown>
  /** Many commands for any slots; null where the client refuses that. */
  batch: ((commands: readonly (readonly [name: string, args: Args])[]) => Promise<unknown>) | null
  close(): Promise<void> | void
}

export const clientNames = ['bare', 'slotwise', 'ioredis', 'ioredis-plain', 'node-redis'] as const
export type ClientName = (typeof clientNames)[number]

/** Connects; the package is loaded here, so that a process holds the one it measures. */
export async function openClient(name: ClientName, addresses: readonly string[]): Promise<BenchClient> {
  switch (name) {
    case 'bare': {
      const client = new BareClient(addresses)
      return {
        call: (command, args) => client.call(command, args),
        batch: commands => Promise.all(commands.map(([command, args]) => client.call(command, args))),
        close: () => client.close(),
      }
    }
    case 'slotwise': {
      const { createClient } = await import('slotwise/core')
      const client = createClient({ cluster: addresses })
      await client.connect()
      return {
        call: (command, args) => client.execute(command, args),
        batch: commands => client.batch(commands),
        close: () => client.close(),
      }
    }
    case 'ioredis':
    case 'ioredis-plain': {
      const { Cluster } = await import('ioredis')
      const client = new Cluster([...addresses], { enableAutoPipelining: name === 'ioredis' })
      await new Promise(resolve => client.once('ready', resolve))
      // Through the method of the command, as its users call it: that is also where its autopipelining lives.
      const methods = client as unknown as Record<string, (...args: Args) => Promise<unknown>>
      return {
        call: (command, args) =>
          (methods[command.toLowerCase()] as (...args: Args) => Promise<unknown>).apply(client, [...args]),
        batch: null,
        close: () => client.disconnect(),
      }
    }
    case 'node-redis': {
      const { createCluster } = await import('redis')
      const client = createCluster({ rootNodes: addresses.map(address => ({ url: `redis://${address}` })) })
      await client.connect()
      const call = async (command: string, args: Args): Promise<unknown> => {
        const [key, ...rest] = args.map(String) as [string, ...string[]]
        switch (command) {
          case 'GET':
            return client.get(key)
          case 'SET':
            return client.set(key, rest[0] as string)
          case 'HGETALL':
            return client.hGetAll(key)
          case 'LRANGE':
            return client.lRange(key, Number(rest[0]), Number(rest[1]))
          default:
            return client.sendCommand(key, false, [command, key, ...rest])
        }
      }
      return {
        call,
        batch: commands => Promise.all(commands.map(([command, args]) => call(command, args))),
        close: () => client.destroy(),
      }
    }
  }
}
