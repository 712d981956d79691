// Clients of one API: ioredis, iovalkey and slotwise.

import type { Opener } from '../clients.mjs'

// biome-ignore lint/suspicious/noExplicitAny: the commands' types are not what is measured, and each of the packages has its own
type Loose = any

export function openIoredisShaped(
  packageName: 'slotwise' | 'ioredis' | 'iovalkey',
  options: { enableAutoPipelining?: boolean },
): Opener {
  return async (target, { sha }) => {
    const { Cluster, Redis } = (await import(packageName)) as Loose
    const { addresses, clustered, ca, protocol, buffers, subscription } = target
    const nodeOptions = {
      ...(ca === undefined ? {} : { tls: { ca } }),
      ...(protocol === undefined ? {} : { protocol }),
    }
    const [host, port] = (addresses[0] as string).split(':') as [string, string]
    const client: Loose = clustered
      ? new Cluster(addresses.map(url), { ...options, redisOptions: nodeOptions })
      : new Redis({ ...options, ...nodeOptions, host, port: Number(port) })
    await new Promise((resolve, reject) => client.once('ready', resolve).once('error', reject))
    if (subscription !== undefined) {
      client.on('message', (_channel: string, payload: string) => subscription.onMessage(payload))
      await client.subscribe(subscription.channel)
    }
    return {
      get: buffers === true ? key => client.getBuffer(key) : key => client.get(key),
      set: (key, value) => client.set(key, value),
      hgetall: key => client.hgetall(key),
      lrange: (key, first, last) => client.lrange(key, first, last),
      incr: key => client.incr(key),
      mget: keys => client.mget(keys),
      // "CROSSSLOT Keys in request don't hash to the same slot".
      mgetAnySlot: clustered ? null : keys => client.mget(keys),
      // ioredis, iovalkey: "All keys in the pipeline should belong to the same slots allocation group".
      pipelineGets: packageName === 'slotwise' || !clustered ? pipelineGets : null,
      // iovalkey's autopipelining takes the first argument for the key, and then refuses what it has put together itself.
      evalsha:
        packageName === 'iovalkey' && clustered ? null : (key, argument) => client.evalsha(sha, 1, key, argument),
      xadd: (key, value) => client.xadd(key, 'MAXLEN', '~', 100, '*', 'field', value),
      xreadgroup:
        packageName === 'iovalkey' && clustered
          ? null
          : key => client.xreadgroup('GROUP', 'g', 'c', 'COUNT', 1, 'NOACK', 'STREAMS', key, '>'),
      close: () => client.disconnect(),
    }

    function pipelineGets(keys: readonly string[]): Promise<unknown> {
      const pipeline = client.pipeline()
      for (const key of keys) pipeline.get(key)
      return pipeline.exec().then((results: [unknown, unknown][]) => results.map(([, reply]) => reply))
    }
  }
}

function url(address: string): { host: string; port: number } {
  const [host, port] = address.split(':') as [string, string]
  return { host, port: Number(port) }
}
