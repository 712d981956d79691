// A read that is answered from this process until somebody changes its key.
//
//   REDIS_URL=redis://127.0.0.1:6379 node examples/caching.mjs
//   node examples/caching.mjs redis://127.0.0.1:6379

import { createClient } from 'slotwise/core'

const server = process.argv[2] ?? process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const client = createClient({ server, cache: { maxBytes: 16 * 1024 * 1024 } })
const other = createClient({ server })
const key = `example:${process.pid}`

await other.execute('SET', [key, 'first'])
await client.connect()
while (client.inspect().cache.regions === 0) await client.execute('PING') // until the server reports changes

for (let i = 0; i < 1000; i++) await client.execute('GET', [key])
console.log('1000 reads:', client.inspect().cache)

await other.execute('SET', [key, 'second'])
while ((await client.execute('GET', [key])) !== 'second'); // the report takes about as long as a round trip
console.log('after a write by another client:', await client.execute('GET', [key]))

await other.execute('DEL', [key])
await Promise.all([client.close(), other.close()])
