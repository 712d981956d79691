// A blocking command, and sessions: what has a connection to itself.
//
//   REDIS_ADDRESS=127.0.0.1:6379 node examples/sessions.mjs
//   node examples/sessions.mjs 127.0.0.1:6379

import { createClient } from 'slotwise/core'

const client = createClient({ server: process.argv[2] ?? process.env.REDIS_ADDRESS ?? '127.0.0.1:6379' })
const name = `example:${process.pid}`

// Blocks on a lane of its own; the calls after it do not wait.
const job = client.execute('BLPOP', [`${name}:jobs`, 0])
await client.execute('RPUSH', [`${name}:jobs`, 'first'])
console.log(`job: ${(await job)[1]}`)

// Optimistic locking: EXEC gives null when somebody else has written in between.
await client.execute('SET', [`${name}:stock`, 10])
const takeOne = disturb =>
  client.session(async session => {
    await session.execute('WATCH', [`${name}:stock`])
    const left = Number(await session.execute('GET', [`${name}:stock`]))
    if (disturb) await client.execute('SET', [`${name}:stock`, 5])
    await session.execute('MULTI')
    await session.execute('SET', [`${name}:stock`, left - 1])
    return session.execute('EXEC')
  })
console.log(`disturbed: ${await takeOne(true)}, undisturbed: ${await takeOne(false)}`)
console.log(`stock: ${await client.execute('GET', [`${name}:stock`])}`)

// MONITOR: lines come to onPush as long as the session lasts.
let line
const onPush = (kind, [text]) => {
  if (kind === 'monitor' && String(text).includes(`${name}:seen`)) line = text
}
await client.session(
  async session => {
    await session.execute('MONITOR')
    await client.execute('SET', [`${name}:seen`, 1])
    while (line === undefined) await new Promise(resolve => setTimeout(resolve, 5))
  },
  { onPush },
)
console.log(`monitored: ${/"SET".*/.exec(line)[0].replace(name, 'example')}`)

await client.execute('DEL', [`${name}:stock`, `${name}:seen`])
await client.close()
