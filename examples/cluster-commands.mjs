// Commands over several slots and servers, and a scan of a whole cluster.
//
//   CLUSTER_NODES=127.0.0.1:7000,127.0.0.1:7001 node examples/cluster-commands.mjs
//   node examples/cluster-commands.mjs 127.0.0.1:7000 127.0.0.1:7001

import { createClient, SlotwiseError } from 'slotwise/core'

const args = process.argv.slice(2)
const cluster = args.length > 0 ? args : (process.env.CLUSTER_NODES ?? '127.0.0.1:7000').split(',')
const client = createClient({ cluster })

const prefix = `example:${process.pid}:`
const keys = Array.from({ length: 1000 }, (_, i) => `${prefix}${i}`)

try {
  // Keys of many slots: refused, unless splitting is asked for. It is not atomic.
  try {
    await client.execute('MGET', keys)
  } catch (error) {
    if (!(error instanceof SlotwiseError) || error.code !== 'SLOTWISE_CROSS_SLOT') throw error
    console.log(`MGET of ${keys.length} keys: ${error.code}`)
  }
  await client.execute(
    'MSET',
    keys.flatMap((key, i) => [key, i]),
    { split: true, timeoutMs: 5000 },
  )
  const values = await client.execute('MGET', keys, { split: true })
  console.log(`MGET, split: ${values.length} values in the order of their keys, ${values.slice(0, 3)}, …`)

  // Commands that concern the whole cluster.
  console.log(`DBSIZE of all shards: ${await client.execute('DBSIZE')}`)
  console.log(`DBSIZE of one of them: ${await client.execute('DBSIZE', [], { fanOut: false })}`)
  const sha = await client.execute('SCRIPT', ['LOAD', 'return ARGV[1]'])
  console.log(`SCRIPT EXISTS on all shards: ${await client.execute('SCRIPT', ['EXISTS', sha])}`)

  // All keys of all shards, page by page.
  const found = new Set()
  for await (const page of client.scanIterator({
    match: `${prefix}*`,
    count: 200,
    signal: AbortSignal.timeout(60_000),
  }))
    for (const key of page) found.add(key)
  console.log(`scanIterator: ${found.size} keys`)

  console.log(`UNLINK, split: ${await client.execute('UNLINK', keys, { split: true })} keys gone`)
} catch (error) {
  if (error instanceof SlotwiseError && error.code === 'SLOTWISE_PARTIAL_FAILURE') {
    for (const [part, outcome] of error.parts ?? []) if (outcome !== 'ok') console.error(`${part}: ${outcome.message}`)
  }
  throw error
} finally {
  await client.close()
}
