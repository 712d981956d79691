// Credentials that are asked for, and renewed before they end.
//
//   REDIS_ADDRESS=127.0.0.1:6379 node examples/credentials.mjs

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'slotwise/core'

const server = process.env.REDIS_ADDRESS ?? '127.0.0.1:6379'
const admin = createClient({ server })

// What a token service does: each token is good for a second, and the server knows it.
let tokens = 0
async function newToken() {
  const password = `token-${++tokens}`
  await admin.execute('ACL', ['SETUSER', 'example-app', 'on', `>${password}`, '~*', '&*', '+@all'])
  return { username: 'example-app', password, expiresAtMs: Date.now() + 1000 }
}

const client = createClient({ server, credentials: newToken })
console.log(`connected as ${await client.execute('ACL', ['WHOAMI'])}`)

const connection = await client.execute('CLIENT', ['ID'])
while (tokens < 3) await delay(50)
assert.equal(await client.execute('CLIENT', ['ID']), connection)
console.log('renewed, on the same connection')

await client.close()
await admin.execute('ACL', ['DELUSER', 'example-app'])
await admin.close()
