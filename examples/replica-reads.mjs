// Reads from replicas of a cluster.
//
//   CLUSTER_NODES=127.0.0.1:7000,127.0.0.1:7001 node examples/replica-reads.mjs
//   node examples/replica-reads.mjs 127.0.0.1:7000 127.0.0.1:7001

import { createClient } from 'slotwise/core'

const args = process.argv.slice(2)
const cluster = args.length > 0 ? args : (process.env.CLUSTER_NODES ?? '127.0.0.1:7000').split(',')
const client = createClient({ cluster, readFrom: 'replicas' })
const key = `example:${process.pid}`

await client.execute('SET', [key, 'v'])
// Replicas are connected when they are first needed; until then the primary answers.
const limit = Date.now() + 10_000
while (client.inspect().replicaReads < 10 && Date.now() < limit) {
  await client.execute('GET', [key])
  await new Promise(resolve => setTimeout(resolve, 10))
}
console.log(`read from replicas: ${client.inspect().replicaReads >= 10 ? 'yes' : 'no'}`)
await client.execute('DEL', [key])
await client.close()
