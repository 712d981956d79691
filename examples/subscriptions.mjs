// Subscriptions of a cluster: channels, patterns, shard channels, and the notice of a gap.
//
//   CLUSTER_NODES=127.0.0.1:7000,127.0.0.1:7001 node examples/subscriptions.mjs
//   node examples/subscriptions.mjs 127.0.0.1:7000 127.0.0.1:7001

import { createClient } from 'slotwise/core'

const args = process.argv.slice(2)
const cluster = args.length > 0 ? args : (process.env.CLUSTER_NODES ?? '127.0.0.1:7000').split(',')
const client = createClient({ cluster })
const name = `example:${process.pid}`

const onGap = ({ channels, fromMs, toMs }) => console.log(`${channels} may have missed ${toMs - fromMs} ms`)

// `await using` in place of `const` would end them with their block (Node 24, TypeScript).
const news = client.subscribe([`${name}:a`, `${name}:b`], { onGap })
const patterns = []
const byPattern = client.subscribe(`${name}:*`, { kind: 'pattern', onMessage: m => patterns.push(m.channel) })
await Promise.all([news.ready, byPattern.ready])
for (const channel of ['a', 'b']) await client.execute('PUBLISH', [`${name}:${channel}`, `hello ${channel}`])
let seen = 0
const texts = []
for await (const { payload } of news) {
  texts.push(payload)
  if (++seen === 2) break
}
console.log(texts.sort().join(', '))
while (patterns.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
console.log(`by pattern: ${patterns.length}`)
await byPattern.close()

// Shard channels go from the owner of their slot to its subscribers only.
const shard = client.subscribe(`${name}:shard`, { kind: 'shard', onGap })
await shard.ready
console.log(`SPUBLISH has reached ${await client.execute('SPUBLISH', [`${name}:shard`, 'hi'])}`)
for await (const { payload } of shard) {
  console.log(`shard: ${payload}`)
  break
}
await client.close()
