// exhaustion PORT: uses up every descriptor, makes calls, then gives the descriptors back.

import { closeSync, openSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from '../../../dist/core.js'

const port = Number(process.argv[2])
const client = createClient({
  server: `127.0.0.1:${port}`,
  timeoutMs: 5000,
  maxQueueAgeMs: 1500,
  exhaustionPauseMs: 300,
})
// Loads what is loaded lazily, while there are descriptors.
await client.execute('PING')
const files = []
try {
  for (;;) files.push(openSync('/dev/null'))
} catch {}
// The connection goes, and there is no descriptor for another one.
const spare = files.pop()
closeSync(spare)
const killed = client.execute('CUT').catch(() => undefined)
const refill = () => {
  try {
    for (;;) files.push(openSync('/dev/null'))
  } catch {}
}
refill()
const timer = setInterval(refill, 1)
await killed
refill()
const dialsBefore = client.inspect().dials
const errors = await Promise.all(
  Array.from({ length: 200 }, () =>
    client.execute('GET', ['k']).then(
      () => null,
      error => error,
    ),
  ),
)
const during = client.inspect()
const [node] = client.nodes()
clearInterval(timer)
for (const fd of files.splice(0)) closeSync(fd)
const freedAt = performance.now()
let recovered = null
while (recovered === null && performance.now() - freedAt < 5000) {
  recovered = await client.execute('GET', ['k'], { timeoutMs: 1000 }).catch(() => null)
  if (recovered === null) await delay(20)
}
const recoveredMs = performance.now() - freedAt
await client.close()
process.stdout.write(
  `${JSON.stringify({
    codes: [...new Set(errors.map(error => error?.code))],
    causes: [...new Set(errors.map(error => error?.cause?.code))],
    errnos: [...new Set(errors.map(error => error?.cause?.cause?.code))],
    dials: during.dials - dialsBefore,
    exhausted: during.dialsExhausted,
    failures: node.failures,
    recovered,
    recoveredMs,
    after: client.inspect(),
  })}\n`,
)
process.exit(0)
