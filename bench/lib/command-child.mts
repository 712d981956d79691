// command-child: one measurement, one process: one client, one workload. Prints one line of JSON. Started by command.mts.

import { type ClientName, openClient } from './clients.mjs'
import { type Workload, workloads } from './workloads.mjs'

export interface Measured {
  cpuUsPerOp: number
  opsPerSec: number
}

const warmUpMs = 1500
const [clientName, workloadName, seconds, ...addresses] = process.argv.slice(2) as [
  ClientName,
  string,
  string,
  ...string[],
]
const workload = workloads[workloadName] as Workload
const client = await openClient(clientName, addresses)

async function run(limitMs: number): Promise<number> {
  const end = performance.now() + limitMs
  let operations = 0
  let next = 0
  const loop = async () => {
    while (performance.now() < end) {
      await workload.run(client, next++)
      operations += workload.operations
    }
  }
  await Promise.all(Array.from({ length: workload.concurrency }, loop))
  return operations
}

await run(warmUpMs)
const cpuBefore = process.cpuUsage()
const startedAt = performance.now()
const operations = await run(Number(seconds) * 1000)
const elapsedSec = (performance.now() - startedAt) / 1000
const { user, system } = process.cpuUsage(cpuBefore)
const measured: Measured = { cpuUsPerOp: (user + system) / operations, opsPerSec: operations / elapsedSec }
process.stdout.write(`${JSON.stringify(measured)}\n`)
await client.close()
process.exit(0)
