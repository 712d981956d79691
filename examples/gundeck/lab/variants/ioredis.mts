// ioredis, with its default options, or without its queue.

import { Cluster } from 'ioredis'
import { fieldsOf, hostAndPort, portOn } from './common.mjs'
import type { Variant } from './index.mjs'

export function onIoredis(options: { enableOfflineQueue?: boolean }): Variant['open'] {
  return async (addresses, _limits, tracker, mark) => {
    let refreshes = 0
    const cluster = new Cluster(addresses.map(hostAndPort), options)
    cluster.on('error', () => undefined)
    cluster.on('refresh', () => {
      refreshes++
      mark('refresh', 'slots refreshed')
    })
    const port = portOn(
      {
        hgetall: async key => fieldsOf(await cluster.hgetall(key)),
        eval: (script, key, args) => cluster.eval(script, 1, key, ...args),
        isReply: error => error.name === 'ReplyError',
        ready: () => cluster.status === 'ready',
        close: () => cluster.disconnect(),
      },
      tracker,
    )
    return { port, waitingBytes: () => null, refreshes: () => refreshes }
  }
}
