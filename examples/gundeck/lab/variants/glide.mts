// Valkey GLIDE. Its connections belong to a native library: what it dials and when cannot be seen from here.

import { GlideClusterClient, RequestError } from '@valkey/valkey-glide'
import { hostAndPort, portOn } from './common.mjs'
import type { Variant } from './index.mjs'

export const onGlide: Variant['open'] = async (addresses, limits, tracker) => {
  const client = await GlideClusterClient.createClient({
    addresses: addresses.map(hostAndPort),
    // Its own default is 250 ms. The service's deadlines are those of the calls, as with every other client.
    requestTimeout: limits.backgroundTimeoutMs,
  })
  const port = portOn(
    {
      hgetall: async key =>
        (await client.hgetall(key)).map(({ field, value }) => ({ field: String(field), value: String(value) })),
      eval: (script, key, args) => client.customCommand(['EVAL', script, '1', key, ...args]),
      isReply: error => error.constructor === RequestError,
      ready: () => true,
      close: () => client.close(),
    },
    tracker,
  )
  return { port, waitingBytes: () => null, refreshes: () => null }
}
