// Failovers in a test: a fake Redis Cluster in this process, and time that passes at the test's command. Needs no Redis.
//
//   node examples/testing.mjs

import assert from 'node:assert/strict'
import Redis from 'slotwise'
import { createClient } from 'slotwise/core'
import { bulk, FakeCluster, FakeServer, takeOverTime } from 'slotwise/testing'

// A cluster of three primaries and three replicas: real connections, data in memory.
const cluster = await FakeCluster.start({ primaries: 3, replicas: 1 })

// A failover that takes 15 s, in milliseconds.
const time = takeOverTime({ seed: 1 })
const client = createClient({ cluster: cluster.addresses })
await time.until(client.connect())
await time.until(client.execute('SET', ['order:1', 'paid']))
const failover = cluster.failover(cluster.ownerOf('order:1'), { afterMs: 15_000 })

const early = client.execute('GET', ['order:1']).catch(error => error.code)
await time.advance(12_000)
const late = client.execute('GET', ['order:1'])
await time.advance(8_000)
console.log(`asked at once: ${await early}`)
console.log(`asked after 12 s: ${await late}`)
assert.equal((await failover).role, 'primary')
await time.until(client.close())
time.release()

// The same cluster, and a client in the shape of ioredis: a slot moves while it is used.
const redis = new Redis.Cluster(cluster.startupNodes)
await redis.set('order:2', 'sent')
const target = cluster.primaries.find(node => node !== cluster.ownerOf('order:2'))
const [first, last] = cluster.ownerOf('order:2').slots[0]
cluster.moveSlots(first, last, target)
console.log(`after the slots have moved: ${await redis.get('order:2')}`)
await redis.quit()
await cluster.close()

// One server, with a handler for what it is to say.
const server = await FakeServer.start({
  handler: ([name, key]) => (name === 'GET' && key === 'odd' ? bulk('scripted') : undefined),
})
const single = new Redis(server.port)
console.log(`the handler says: ${await single.get('odd')}, the server: ${await single.get('even')}`)
console.log(`GET was asked ${server.count('GET')} times on ${server.accepted} connection`)
await single.quit()
await server.close()
