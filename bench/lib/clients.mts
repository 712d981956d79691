// Clients: each of those compared behind one face, called the way its users call it. A package is loaded when its client is opened, so
// that a process holds only the one it measures.

/** What a workload needs of a client. */
export interface BenchClient {
  get(key: string): Promise<unknown>
  set(key: string, value: string): Promise<unknown>
  /** Fields as a map or an object. */
  hgetall(key: string): Promise<unknown>
  lrange(key: string, first: number, last: number): Promise<unknown>
  /** GETs of any slots in one go; null where the client refuses that. */
  getMany: ((keys: readonly string[]) => Promise<unknown>) | null
  close(): Promise<void> | void
}

const openers = {
  bare: openBare,
  slotwise: openSlotwise,
  'slotwise-api': openFacade,
  ioredis: (addresses: readonly string[]) => openIoredis(addresses, true),
  'ioredis-plain': (addresses: readonly string[]) => openIoredis(addresses, false),
  'node-redis': openNodeRedis,
}

export type ClientName = keyof typeof openers
export const clientNames = Object.keys(openers) as ClientName[]

export function openClient(name: ClientName, addresses: readonly string[]): Promise<BenchClient> {
  return openers[name](addresses)
}

async function openBare(addresses: readonly string[]): Promise<BenchClient> {
  const { BareClient } = await import('../bare-client.mjs')
  const client = new BareClient(addresses)
  return {
    get: key => client.call('GET', [key]),
    set: (key, value) => client.call('SET', [key, value]),
    hgetall: key => client.call('HGETALL', [key]).then(toObject),
    lrange: (key, first, last) => client.call('LRANGE', [key, first, last]),
    getMany: keys => Promise.all(keys.map(key => client.call('GET', [key]))),
    close: () => client.close(),
  }
}

/** RESP2 knows no maps: a client has to build what the others give. */
function toObject(flat: unknown): Record<string, string> {
  const items = flat as string[]
  const object: Record<string, string> = {}
  for (let i = 0; i < items.length; i += 2) object[items[i] as string] = items[i + 1] as string
  return object
}

async function openSlotwise(addresses: readonly string[]): Promise<BenchClient> {
  const { createClient } = await import('slotwise/core')
  const client = createClient({ cluster: addresses })
  await client.connect()
  return {
    get: key => client.execute('GET', [key]),
    set: (key, value) => client.execute('SET', [key, value]),
    hgetall: key => client.execute('HGETALL', [key]),
    lrange: (key, first, last) => client.execute('LRANGE', [key, first, last]),
    getMany: keys => client.batch(keys.map(key => ['GET', [key]] as const)),
    close: () => client.close(),
  }
}

/** The ioredis-shaped API. */
async function openFacade(addresses: readonly string[]): Promise<BenchClient> {
  const { Cluster } = await import('slotwise')
  const client = new Cluster([...addresses])
  await new Promise(resolve => client.once('ready', resolve))
  // biome-ignore lint/suspicious/noExplicitAny: the commands' types are not what is measured
  const api = client as any
  return {
    get: key => api.get(key),
    set: (key, value) => api.set(key, value),
    hgetall: key => api.hgetall(key),
    lrange: (key, first, last) => api.lrange(key, first, last),
    getMany: keys => {
      const pipeline = api.pipeline()
      for (const key of keys) pipeline.get(key)
      return pipeline.exec().then((results: [unknown, unknown][]) => results.map(([, reply]) => reply))
    },
    close: () => api.quit(),
  }
}

async function openIoredis(addresses: readonly string[], enableAutoPipelining: boolean): Promise<BenchClient> {
  const { Cluster } = await import('ioredis')
  const client = new Cluster([...addresses], { enableAutoPipelining })
  await new Promise(resolve => client.once('ready', resolve))
  return {
    get: key => client.get(key),
    set: (key, value) => client.set(key, value),
    hgetall: key => client.hgetall(key),
    lrange: (key, first, last) => client.lrange(key, first, last),
    // "All keys in the pipeline should belong to the same slots allocation group".
    getMany: null,
    close: () => client.disconnect(),
  }
}

async function openNodeRedis(addresses: readonly string[]): Promise<BenchClient> {
  const { createCluster } = await import('redis')
  const client = createCluster({ rootNodes: addresses.map(address => ({ url: `redis://${address}` })) })
  await client.connect()
  return {
    get: key => client.get(key),
    set: (key, value) => client.set(key, value),
    hgetall: key => client.hGetAll(key),
    lrange: (key, first, last) => client.lRange(key, first, last),
    getMany: keys => Promise.all(keys.map(key => client.get(key))),
    close: () => client.destroy(),
  }
}
