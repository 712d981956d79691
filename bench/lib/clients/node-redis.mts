// node-redis, all defaults. Calls of one turn are one pipeline: it says so, and its own pipelines are for one node.

import type { Opener } from '../clients.mjs'

// biome-ignore lint/suspicious/noExplicitAny: the commands' types are not what is measured
type Loose = any

export const openNodeRedis: Opener = async (target, { sha }) => {
  const { createClient, createCluster, RESP_TYPES } = await import('redis')
  const { addresses, clustered, ca, protocol, buffers, subscription } = target
  const scheme = ca === undefined ? 'redis' : 'rediss'
  const url = (address: string) => `${scheme}://${address}`
  const common = protocol === undefined ? {} : { RESP: protocol }
  const socket = ca === undefined ? {} : { socket: { tls: true, ca } }
  const made: Loose = clustered
    ? createCluster({
        ...common,
        rootNodes: addresses.map(address => ({ url: url(address) })),
        defaults: socket,
      } as Loose)
    : createClient({ ...common, ...socket, url: url(addresses[0] as string) } as Loose)
  await made.connect()
  if (subscription !== undefined) {
    await made.subscribe(subscription.channel, (payload: string) => subscription.onMessage(payload))
  }
  const client: Loose = buffers === true ? made.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }) : made
  return {
    get: key => client.get(key),
    set: (key, value) => client.set(key, value),
    hgetall: key => client.hGetAll(key),
    lrange: (key, first, last) => client.lRange(key, first, last),
    incr: key => client.incr(key),
    mget: keys => client.mGet(keys),
    // "CROSSSLOT Keys in request don't hash to the same slot".
    mgetAnySlot: clustered ? null : keys => client.mGet(keys),
    pipelineGets: keys => Promise.all(keys.map(key => client.get(key))),
    evalsha: (key, argument) => client.evalSha(sha, { keys: [key], arguments: [argument] }),
    xadd: (key, value) =>
      client.xAdd(key, '*', { field: value }, { TRIM: { strategy: 'MAXLEN', strategyModifier: '~', threshold: 100 } }),
    xreadgroup: key => client.xReadGroup('g', 'c', { key, id: '>' }, { COUNT: 1, NOACK: true }),
    close: () => made.destroy(),
  }
}
