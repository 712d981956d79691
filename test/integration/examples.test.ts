// The examples do what they say.

import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { eventually, useCluster } from '../support/settled.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 1 })
let server: LocalServer
beforeAll(async () => {
  server = await LocalServer.start()
})
afterAll(() => server?.stop())

async function run(name: string): Promise<string> {
  const example = resolve(import.meta.dirname, `../../examples/${name}.mjs`)
  const env = { ...process.env, CLUSTER_NODES: test.cluster.addresses.join(','), REDIS_ADDRESS: server.address }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [example], { env, timeout: 30_000 })
  expect(stderr).toBe('')
  return stdout
}

/** Waits until every node names all replicas: one is named once it is in step. */
async function replicasNamed(): Promise<void> {
  await eventually(async () => {
    for (const node of test.cluster.nodes) {
      const shards = (await node.command('CLUSTER', 'SLOTS')) as unknown[][]
      expect(shards.every(shard => shard.length === 4)).toBe(true)
    }
  }, 20_000)
}

it('subscriptions', async () => {
  expect(await run('subscriptions')).toBe('hello a, hello b\nby pattern: 2\nSPUBLISH has reached 1\nshard: hi\n')
})

it('addresses', async () => {
  await replicasNamed()
  const found = '6 servers for 16384 slots'
  expect(await run('addresses')).toBe(
    `by name: ${found}\nby SRV records: ${found}\nmapped: ${found}, 6 of them announced\n`,
  )
})

it('sessions', async () => {
  expect(await run('sessions')).toBe(
    'job: first\ndisturbed: null, undisturbed: OK\nstock: 4\nmonitored: "SET" "example:seen" "1"\n',
  )
})

it('replica-reads', async () => {
  await replicasNamed()
  expect(await run('replica-reads')).toBe('read from replicas: yes\n')
})

it('observing', async () => {
  expect(await run('observing')).toMatch(
    /^16384 slots, served by \d servers\n1 calls made, 1 settled; .*\n(observed dialled .*\n)+$/,
  )
})

it('testing', async () => {
  expect(await run('testing')).toBe(
    'asked at once: SLOTWISE_QUEUE_EXPIRED\nasked after 12 s: paid\nafter the slots have moved: sent\n' +
      'the handler says: scripted, the server: null\nGET was asked 2 times on 1 connection\n',
  )
})

it('credentials', async () => {
  expect(await run('credentials')).toBe('connected as example-app\nrenewed, on the same connection\n')
})
