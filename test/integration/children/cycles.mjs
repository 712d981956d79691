// cycles PORT COUNT: connects that many clients, one after the other, to a server that may cut them off; ends them in different ways.

import { createClient } from '../../../dist/core.js'
import { socketFds } from './sockets.mjs'

const [port, count] = process.argv.slice(2).map(Number)
const before = socketFds()
const mismatches = []
let highest = 0
for (let i = 0; i < count; i++) {
  const client = createClient({ server: `127.0.0.1:${port}`, timeoutMs: 2000, backoffMinMs: 1, backoffMaxMs: 5 })
  // Every third connection is cut by the server in the middle of a reply, and dialled again by the client, which asks again.
  await client.execute('GET', [i % 3 === 0 ? `cut:${i}` : 'key'], { idempotent: i % 2 === 0 }).catch(() => undefined)
  const ledger = client.inspect().sockets.total
  const fds = socketFds() - before
  if (ledger !== fds) mismatches.push({ i, ledger, fds })
  highest = Math.max(highest, fds)
  if (i % 2 === 0) await client.close()
  else {
    client.destroy()
    await client.close()
  }
  const { issued, settled, sockets } = client.inspect()
  if (issued !== settled || sockets.total !== 0 || socketFds() !== before)
    mismatches.push({ i, issued, settled, sockets })
}
process.stdout.write(
  `${JSON.stringify({ count, highest, mismatches: mismatches.slice(0, 5), left: socketFds() - before })}\n`,
)
process.exit(0)
