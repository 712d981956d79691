// node-redis, with its default options.

import { createCluster, ErrorReply } from 'redis'
import { fieldsOf, portOn } from './common.mjs'
import type { Variant } from './index.mjs'

export const onNodeRedis: Variant['open'] = async (addresses, _limits, tracker) => {
  const cluster = createCluster({ rootNodes: addresses.map(address => ({ url: `redis://${address}` })) })
  cluster.on('error', () => undefined)
  await cluster.connect()
  const port = portOn(
    {
      hgetall: async key => fieldsOf(await cluster.hGetAll(key)),
      eval: (script, key, args) => cluster.eval(script, { keys: [key], arguments: [...args] }),
      isReply: error => error instanceof ErrorReply,
      ready: () => cluster.isOpen,
      close: () => cluster.destroy(),
    },
    tracker,
  )
  return { port, waitingBytes: () => null, refreshes: () => null }
}
