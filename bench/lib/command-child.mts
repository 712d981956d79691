// CommandChild: one measurement, one process: one client, one workload. Prints one line of JSON. Started by command-run.

import { setTimeout as delay } from 'node:timers/promises'
import { type ClientName, openClient } from './clients.mjs'
import { type Workload, workloads } from './workloads.mjs'

export interface Measured {
  cpuUsPerOp: number
  opsPerSec: number
}

const warmUpMs = 1500

async function main(clientName: ClientName, workloadName: string, seconds: number, addresses: string[]): Promise<void> {
  const workload = workloads[workloadName] as Workload
  const client = await openClient(clientName, addresses)
  if (!workload.ok(await workload.run(client, 0))) throw new Error('the client gave another reply than the right one')
  let next = 0
  let operations = 0
  let running = true
  // A flag and not the clock ends the loops: reading the clock each time would be a part of every figure.
  const loop = async () => {
    while (running) {
      await workload.run(client, next++)
      operations += workload.operations
    }
  }
  const loops = Promise.all(Array.from({ length: workload.concurrency }, loop))
  await Promise.race([loops, delay(warmUpMs)])

  const operationsBefore = operations
  const startedAt = performance.now()
  const cpuBefore = process.cpuUsage()
  await Promise.race([loops, delay(seconds * 1000)])
  const { user, system } = process.cpuUsage(cpuBefore)
  const elapsedSec = (performance.now() - startedAt) / 1000
  const measuredOperations = operations - operationsBefore
  running = false
  await loops

  const measured: Measured = {
    cpuUsPerOp: (user + system) / measuredOperations,
    opsPerSec: measuredOperations / elapsedSec,
  }
  process.stdout.write(`${JSON.stringify(measured)}\n`)
  await client.close()
}

const [clientName, workloadName, seconds, ...addresses] = process.argv.slice(2)
await main(clientName as ClientName, workloadName as string, Number(seconds), addresses)
// Whatever a client leaves behind must not hold up the next measurement.
process.exit(0)
