// MemoryChild: one reading of what a client holds, in a process of its own. Prints a line of JSON: bytes for each thing. Needs --expose-gc.

import { setTimeout as delay } from 'node:timers/promises'
import { collect, heldBytes } from './memory.mjs'

// biome-ignore lint/suspicious/noExplicitAny: the types of commands are not what is measured
type Loose = any

export type MemoryClient = 'slotwise' | 'slotwise-core' | 'ioredis'
export type Reading = 'waiting' | 'idle' | 'shard' | 'server'

export interface Job {
  client: MemoryClient
  reading: Reading
  /** Of a cluster; of one server; of nobody, for calls that wait. */
  addresses: string[]
  count: number
}

interface Opened {
  get(args: string[]): Promise<unknown>
}

async function openCluster({ client, addresses }: Job): Promise<Opened> {
  if (client === 'slotwise-core') {
    const { createClient } = await import('slotwise/core')
    const opened = createClient({ cluster: addresses })
    return { get: args => opened.execute('GET', args) }
  }
  const { Cluster } = (await import(client)) as Loose
  const opened = new Cluster(addresses).on('error', () => undefined)
  return { get: args => opened.get(args[0]) }
}

async function openServer({ client, addresses }: Job): Promise<Opened> {
  const [address] = addresses as [string]
  if (client === 'slotwise-core') {
    const { createClient } = await import('slotwise/core')
    const opened = createClient({ server: address })
    return { get: args => opened.execute('GET', args) }
  }
  const { Redis } = (await import(client)) as Loose
  const opened = new Redis(Number(address.split(':')[1]), '127.0.0.1')
  return { get: args => opened.get(args[0]) }
}

/** Heap of a call that waits for a cluster nobody can reach, without what the caller made himself: his array and key. */
async function waiting(job: Job): Promise<number> {
  const client = await openCluster(job)
  const calls = Array.from({ length: job.count }, (_, i) => [`key:${i}`])
  const promises: unknown[] = new Array(job.count).fill(null)
  // The first ones compile, and open what there is only one of. They wait, too.
  for (let i = 0; i < 1000; i++) void client.get([`first:${i}`]).catch(() => undefined)
  await delay(50)
  collect()
  const before = heldBytes()
  for (let i = 0; i < job.count; i++) promises[i] = client.get(calls[i] as string[])
  collect()
  const bytes = (heldBytes() - before) / job.count
  if (promises.at(-1) === null) throw new Error('nothing waits')
  return bytes
}

/** Heap of a client that has talked to each of its servers, and does nothing. */
async function idle(job: Job, open: (job: Job) => Promise<Opened>): Promise<number> {
  const talk = async (client: Opened) => {
    // Keys of all nodes.
    for (let i = 0; i < 50; i++) await client.get([`key:${i}`])
  }
  const clients: Opened[] = [await open(job)]
  await talk(clients[0] as Opened)
  await settle()
  const before = heldBytes()
  for (let i = 0; i < job.count; i++) {
    const client = await open(job)
    clients.push(client)
    await talk(client)
  }
  await settle()
  const bytes = (heldBytes() - before) / job.count
  if (clients.length !== job.count + 1) throw new Error('a client is missing')
  return bytes
}

/** Until what the last replies left behind is gone: chunks that were read, timers of the handshake. */
async function settle(): Promise<void> {
  await delay(200)
  collect()
  await delay(20)
  collect()
}

const job = JSON.parse(process.argv[2] as string) as Job
const readings: Record<Reading, () => Promise<number>> = {
  waiting: () => waiting(job),
  idle: () => idle(job, openCluster),
  shard: () => idle(job, openCluster),
  server: () => idle(job, openServer),
}
const bytes = await readings[job.reading]()
process.stdout.write(`${JSON.stringify({ bytes })}\n`, () => process.exit(0))
