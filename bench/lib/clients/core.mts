// slotwise/core, all defaults.

import type { Opener } from '../clients.mjs'

export const openCore: Opener = async (target, { sha }) => {
  const { createClient } = await import('slotwise/core')
  const { addresses, clustered, ca, protocol, buffers, subscription } = target
  const client = createClient({
    ...(clustered ? { cluster: addresses } : { server: addresses[0] as string }),
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(protocol === undefined ? {} : { protocol }),
  })
  await client.connect()
  if (subscription !== undefined) {
    const { channel, onMessage } = subscription
    await client.subscribe(channel, { onMessage: ({ payload }) => onMessage(payload) }).ready
  }
  return {
    get:
      buffers === true ? key => client.execute('GET', [key], { buffers: true }) : key => client.execute('GET', [key]),
    set: (key, value) => client.execute('SET', [key, value]),
    hgetall: key => client.execute('HGETALL', [key]),
    lrange: (key, first, last) => client.execute('LRANGE', [key, first, last]),
    incr: key => client.execute('INCR', [key]),
    mget: keys => client.execute('MGET', keys),
    mgetAnySlot: keys => client.execute('MGET', keys, { split: true }),
    pipelineGets: keys => client.batch(keys.map(key => ['GET', [key]] as const)),
    evalsha: (key, argument) => client.execute('EVALSHA', [sha, 1, key, argument]),
    xadd: (key, value) => client.execute('XADD', [key, 'MAXLEN', '~', 100, '*', 'field', value]),
    xreadgroup: key => client.execute('XREADGROUP', ['GROUP', 'g', 'c', 'COUNT', 1, 'NOACK', 'STREAMS', key, '>']),
    close: () => client.close(),
  }
}
