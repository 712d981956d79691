// The bare client: what stands for the least in each workload.

import type { BenchClient, Opener } from '../clients.mjs'

export const openBare: Opener = async ({ addresses, ca, buffers = false, subscription }, { sha }) => {
  const { BareClient } = await import('../../bare-client.mjs')
  const client = new BareClient(addresses, { ca, buffers })
  if (subscription !== undefined) await client.subscribe(subscription.channel, subscription.onMessage)
  const gets = (keys: readonly string[]) => client.pipeline(keys.map(key => ['GET', [key]] as const))
  return {
    get: key => client.call('GET', [key]),
    set: (key, value) => client.call('SET', [key, value]),
    hgetall: key => client.call('HGETALL', [key]).then(toObject),
    lrange: (key, first, last) => client.call('LRANGE', [key, first, last]),
    incr: key => client.call('INCR', [key]),
    mget: keys => client.call('MGET', keys),
    // A server takes keys of one slot only, and hardly two keys share one.
    mgetAnySlot: gets,
    pipelineGets: gets,
    evalsha: (key, argument) => client.call('EVALSHA', [sha, 1, key, argument], 2),
    xadd: (key, value) => client.call('XADD', [key, 'MAXLEN', '~', 100, '*', 'field', value]),
    xreadgroup: key => client.call('XREADGROUP', ['GROUP', 'g', 'c', 'COUNT', 1, 'NOACK', 'STREAMS', key, '>'], 7),
    close: () => client.close(),
  } satisfies BenchClient
}

/** RESP2 knows no maps: a client has to build what the others give. */
function toObject(flat: unknown): Record<string, string> {
  const items = flat as string[]
  const object: Record<string, string> = {}
  for (let i = 0; i < items.length; i += 2) object[items[i] as string] = items[i + 1] as string
  return object
}
