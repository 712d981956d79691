// Names for seeds, SRV records, and servers that are reached under other addresses than they announce.
//
//   CLUSTER_NODES=127.0.0.1:7000,127.0.0.1:7001 node examples/addresses.mjs
//   node examples/addresses.mjs 127.0.0.1:7000 127.0.0.1:7001

import { createClient } from 'slotwise/core'

const args = process.argv.slice(2)
const seeds = args.length > 0 ? args : (process.env.CLUSTER_NODES ?? '127.0.0.1:7000').split(',')
const [[host, port]] = seeds.map(seed => seed.split(':'))

/** In place of DNS: `redis.example` stands for an address where nobody is, and for one of the cluster. */
const lookup = (name, options, callback) => {
  const addresses = name === 'redis.example' ? ['127.255.255.254', host] : [host]
  const found = addresses.map(address => ({ address, family: 4 }))
  if (options.all) process.nextTick(callback, null, found)
  else process.nextTick(callback, null, host, 4)
}

/** Counts the servers that a client finds. */
async function count(options) {
  const client = createClient(options)
  await client.execute('SET', [`example:${process.pid}`, 'v', 'EX', 10])
  const { nodes, slotsCovered } = client.inspect()
  await client.close()
  return `${nodes} servers for ${slotsCovered} slots`
}

console.log(`by name: ${await count({ cluster: [`redis.example:${port}`], lookup })}`)

const resolveSrv = (_name, callback) =>
  process.nextTick(callback, null, [
    { name: 'backup.example', port: 1, priority: 2, weight: 0 },
    { name: 'redis.example', port: Number(port), priority: 1, weight: 10 },
  ])
console.log(`by SRV records: ${await count({ cluster: [{ srv: '_redis._tcp.example' }], resolveSrv, lookup })}`)

// Behind NAT this would be an address of this side for each of the other.
const seen = new Set()
const natMap = announced => {
  seen.add(announced)
  return { host: 'localhost', port: Number(announced.split(':')[1]) }
}
console.log(`mapped: ${await count({ cluster: seeds, natMap, lookup })}, ${seen.size} of them announced`)
