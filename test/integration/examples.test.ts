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

it('subscriptions', async () => {
  expect(await run('subscriptions')).toBe('hello a, hello b\nby pattern: 2\nSPUBLISH has reached 1\nshard: hi\n')
})

it('sessions', async () => {
  expect(await run('sessions')).toBe(
    'job: first\ndisturbed: null, undisturbed: OK\nstock: 4\nmonitored: "SET" "example:seen" "1"\n',
  )
})

it('replica-reads', async () => {
  // A replica is named once it is in step.
  await eventually(async () => {
    for (const node of test.cluster.nodes) {
      const shards = (await node.command('CLUSTER', 'SLOTS')) as unknown[][]
      expect(shards.every(shard => shard.length === 4)).toBe(true)
    }
  }, 20_000)
  expect(await run('replica-reads')).toBe('read from replicas: yes\n')
})

it('testing', async () => {
  expect(await run('testing')).toBe(
    'asked at once: SLOTWISE_QUEUE_EXPIRED\nasked after 12 s: paid\nafter the slots have moved: sent\n' +
      'the handler says: scripted, the server: null\nGET was asked 2 times on 1 connection\n',
  )
})
