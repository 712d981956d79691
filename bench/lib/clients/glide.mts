// Valkey GLIDE: a client in Rust behind a thin layer of JavaScript. Its threads' CPU counts, too.

import type { Opener } from '../clients.mjs'

export const openGlide: Opener = async (target, { text }) => {
  const glide = await import('@valkey/valkey-glide')
  const { addresses, clustered, ca, protocol, buffers, subscription } = target
  const config = {
    addresses: addresses.map(address => {
      const [host, port] = address.split(':') as [string, string]
      return { host, port: Number(port) }
    }),
    // The default, 250 ms, is short for 10,000 calls at once.
    requestTimeout: 10_000,
    // The default, 1,000, refuses what is asked of the others.
    inflightRequestsLimit: 20_000,
    ...(protocol === undefined ? {} : { protocol: glide.ProtocolVersion.RESP2 }),
    ...(buffers === true ? { defaultDecoder: glide.Decoder.Bytes } : {}),
    ...(ca === undefined
      ? {}
      : { useTLS: true, advancedConfiguration: { tlsAdvancedConfiguration: { rootCertificates: ca } } }),
  }
  const pubsub =
    subscription === undefined
      ? {}
      : {
          pubsubSubscriptions: {
            channelsAndPatterns: {
              [glide.GlideClientConfiguration.PubSubChannelModes.Exact]: new Set([subscription.channel]),
            },
            callback: ({ message }: { message: unknown }) => subscription.onMessage(message),
            context: null,
          },
        }
  const client = clustered
    ? await glide.GlideClusterClient.createClient(config)
    : await glide.GlideClient.createClient({ ...config, ...pubsub })
  const script = new glide.Script(text)
  return {
    get: key => client.get(key),
    set: (key, value) => client.set(key, value),
    hgetall: key => client.hgetall(key),
    lrange: (key, first, last) => client.lrange(key, first, last),
    incr: key => client.incr(key),
    mget: keys => client.mget(keys),
    mgetAnySlot: keys => client.mget(keys),
    pipelineGets: keys => {
      if (client instanceof glide.GlideClusterClient) {
        const batch = new glide.ClusterBatch(false)
        for (const key of keys) batch.get(key)
        return client.exec(batch, true)
      }
      const batch = new glide.Batch(false)
      for (const key of keys) batch.get(key)
      return client.exec(batch, true)
    },
    evalsha: (key, argument) => client.invokeScript(script, { keys: [key], args: [argument] }),
    xadd: (key, value) =>
      client.xadd(key, [['field', value]], { trim: { method: 'maxlen', threshold: 100, exact: false } }),
    xreadgroup: key => client.xreadgroup('g', 'c', { [key]: '>' }, { count: 1, noAck: true }),
    close: () => client.close(),
  }
}
