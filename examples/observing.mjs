// Seeing what the client does: numbers, topology events and diagnostics channels.
//
//   node examples/observing.mjs 127.0.0.1:7000 127.0.0.1:7001

import assert from 'node:assert/strict'
import diagnostics from 'node:diagnostics_channel'
import { createClient } from 'slotwise/core'

const nodes = process.env.CLUSTER_NODES?.split(',') ?? process.argv.slice(2)
const dials = []
diagnostics.subscribe('slotwise:dial', message => dials.push(message))

const client = createClient({ cluster: nodes, name: 'observed' })
const changed = new Promise(resolve => client.once('topology', resolve))
await client.execute('SET', ['greeting', 'hello'])

const { slotsCovered, nodesAdded } = await changed
console.log(`${slotsCovered} slots, served by ${nodesAdded.length} servers`)
assert.equal(slotsCovered, 16384)

const { issued, settled, queued, inFlight, sockets } = client.inspect()
console.log(`${issued} calls made, ${settled} settled; ${sockets.total} sockets open`)
assert.equal(issued, settled + queued + inFlight)

for (const { client: from, endpoint, outcome, durationMs } of dials) {
  console.log(`${from.name} dialled ${endpoint}: ${outcome} after ${durationMs.toFixed(1)} ms`)
}
assert.ok(dials.some(({ outcome }) => outcome === 'usable'))
await client.close()
