// Reads that this process answers by itself until the key changes.
// node examples/caching.mjs [address]; or REDIS_ADDRESS; 127.0.0.1:6379 by default.

import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'slotwise/core'

const server = process.argv[2] ?? process.env.REDIS_ADDRESS ?? '127.0.0.1:6379'
const reader = createClient({ server, cache: { maxBytes: 8 * 1024 * 1024, prefixes: ['example:'] } })
const writer = createClient({ server })

await writer.execute('SET', ['example:greeting', 'hello'])
await reader.connect()
// The server agrees to tell of changes a moment after connecting; until then reads are sent.
while (reader.inspect().cache.trackedNodes + reader.inspect().cache.untrackedNodes === 0) await delay(1)
for (let i = 0; i < 1000; i++) await reader.execute('GET', ['example:greeting'])
const { hits, misses } = reader.inspect().cache
console.log(`hits ${hits}, misses ${misses}`) // hits 999, misses 1

await writer.execute('SET', ['example:greeting', 'good evening'])
while ((await reader.execute('GET', ['example:greeting'])) === 'hello') await delay(1) // the news is on its way
console.log(await reader.execute('GET', ['example:greeting'])) // good evening
await Promise.all([reader.close(), writer.close()])
