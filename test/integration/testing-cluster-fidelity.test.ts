// The fake cluster of slotwise/testing refuses and redirects as a real one does: the same commands on both, the same replies.

import fc from 'fast-check'
import { FakeCluster, type FakeNode, keyInSlot } from 'slotwise/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LocalCluster, type LocalServer } from '../../scripts/local-cluster.mjs'
import { RawPeer, type RawReply } from '../support/raw-peer.js'
import { eventually } from '../support/settled.js'

/** Owned by the second primary of three; moving to the third in the tests of migrations. */
const slot = 6000
const here = keyInSlot(slot, 'here')
const gone = keyInSlot(slot, 'gone')
const none = keyInSlot(slot, 'none')
const elsewhere = keyInSlot(0, 'elsewhere')

interface Server {
  readonly port: number
}
interface Both {
  readonly name: 'real' | 'fake'
  readonly nodes: readonly Server[]
}

let real: LocalCluster
let fake: FakeCluster
beforeAll(async () => {
  ;[real, fake] = await Promise.all([LocalCluster.start(), FakeCluster.start()])
  // Replicas are in step before anybody compares what they say.
  await eventually(async () => {
    for (const node of real.nodes) {
      const shards = (await node.command('CLUSTER', 'SLOTS')) as unknown[][]
      expect(shards.every(shard => shard.length === 4)).toBe(true)
    }
  }, 20_000)
}, 60_000)
afterAll(async () => {
  await Promise.all([real?.stop(), fake?.close()])
})

const both = (): Both[] => [
  { name: 'real', nodes: real.nodes },
  { name: 'fake', nodes: fake.nodes },
]

/** Ports and ids as the places of nodes, times and counts left out. */
function places({ nodes }: Both, ids: readonly string[], value: unknown): unknown {
  if (Array.isArray(value)) return value.map(item => places({ name: 'fake', nodes }, ids, item))
  let text = String(value)
  for (const [i, node] of nodes.entries()) {
    text = text
      .replaceAll(new RegExp(`\\b${node.port}(@\\d+)?\\b`, 'g'), `port of ${i}`)
      .replaceAll(ids[i] as string, `id of ${i}`)
  }
  return text.replace(/\(this is a fake server.*$/, '')
}

const lines = (value: unknown) => String(value).split('\n')

/** One connection to a node of each cluster; the replies of both. */
async function ask(node: number, commands: readonly (readonly string[])[], protocol: 2 | 3 = 2): Promise<unknown[][]> {
  return Promise.all(
    both().map(async cluster => {
      const ids = await idsOf(cluster)
      const peer = await RawPeer.connect((cluster.nodes[node] as Server).port, protocol)
      try {
        return (await peer.ask(commands)).map(reply => places(cluster, ids, reply))
      } finally {
        peer.close()
      }
    }),
  )
}

async function idsOf(cluster: Both): Promise<string[]> {
  if (cluster.name === 'fake') return fake.nodes.map(node => node.id)
  return Promise.all(real.nodes.map(async node => (await node.command('CLUSTER', 'MYID')) as string))
}

async function expectSame(
  node: number,
  commands: readonly (readonly string[])[],
  protocol: 2 | 3 = 2,
): Promise<RawReply[]> {
  const [expected, actual] = await ask(node, commands, protocol)
  expect(actual, commands.join(' | ')).toEqual(expected)
  return actual as RawReply[]
}

const write = ['SET', here, '1']

it('redirects and refuses as a real cluster', async () => {
  expect(await expectSame(1, [write, ['GET', here]])).toEqual(['+OK', '$1'])
  expect(await expectSame(0, [['GET', here]])).toEqual([expect.stringMatching(`-MOVED ${slot} 127.0.0.1:port of 1`)])
  await expectSame(0, [
    ['MGET', elsewhere, here],
    ['MGET', here, elsewhere],
    ['DEL', elsewhere, here],
  ])
  await expectSame(0, [['MSET', elsewhere, 'x', here, 'y'], ['WATCH', here], ['ASKING'], ['GET', here]])
  await expectSame(0, [['MULTI'], ['GET', here], ['SET', elsewhere, 'x'], ['EXEC'], ['EXEC']])
  await expectSame(1, [['MULTI'], ['GET', here], ['GET', none], ['EXEC'], ['MULTI'], ['GET', elsewhere], ['DISCARD']])
  await expectSame(0, [
    ['SSUBSCRIBE', here],
    ['SPUBLISH', here, 'x'],
    ['SSUBSCRIBE', elsewhere, here],
  ])
  await expectSame(0, [
    ['BLPOP', here, '0'],
    ['BLPOP', elsewhere, here, '0'],
  ])
  await expectSame(0, [['SELECT', '1'], ['SELECT', '0'], ['NOSUCH', here], ['GET'], ['KEYS', '*']])
})

it('has replicas that redirect as real ones', async () => {
  await expectSame(4, [['GET', here], write, ['READONLY'], write, ['MULTI'], ['GET', none], ['EXEC'], ['GET', none]])
  await expectSame(4, [
    ['READONLY'],
    ['GET', elsewhere],
    ['READWRITE'],
    ['GET', none],
    ['FLUSHALL'],
    ['WAIT', '0', '1'],
  ])
  await expectSame(4, [['READONLY'], ['MULTI'], ['GET', none], ['SET', none, 'x'], ['EXEC']])
  await expectSame(4, [
    ['SSUBSCRIBE', here],
    ['SSUBSCRIBE', elsewhere],
  ])
})

it('describes itself as a real cluster', async () => {
  for (const protocol of [2, 3] as const) {
    for (const node of [0, 3]) {
      const [expected, actual] = await ask(
        node,
        [
          ['CLUSTER', 'SLOTS'],
          ['CLUSTER', 'KEYSLOT', here],
          ['CLUSTER', 'MYID'],
        ],
        protocol,
      )
      expect(actual).toEqual(expected)
      const [nodesExpected, nodesActual] = await ask(node, [['CLUSTER', 'NODES']], protocol)
      // Times of pings and pongs are nobody's business.
      const shown = (replies: unknown) =>
        lines(replies)
          .map(line => line.replace(/^[$=]\D*(?=id)/, '').replace(/ \d+ \d+ (?=\d+ connected)/, ' '))
          .sort()
      expect(shown(nodesActual)).toEqual(shown(nodesExpected))
    }
  }
  const [expected, actual] = await ask(1, [['CLUSTER', 'INFO']])
  const told = (replies: unknown) => String(replies).match(/\bcluster_(?!stats)\w+:\w+/g)
  expect(told(actual)).toEqual(told(expected))
  await expectSame(1, [
    ['CLUSTER', 'COUNTKEYSINSLOT', String(slot)],
    ['CLUSTER', 'GETKEYSINSLOT', String(slot), '10'],
    ['CLUSTER', 'COUNTKEYSINSLOT', '16384'],
    ['CLUSTER', 'GETKEYSINSLOT', '1', '-1'],
    ['CLUSTER', 'REPLICAS', 'x'],
    ['CLUSTER', 'FOO'],
    ['CLUSTER', 'KEYSLOT'],
  ])
})

const pool = fc.constantFrom(here, gone, none)
const anyKey = fc.oneof({ weight: 5, arbitrary: pool }, { weight: 1, arbitrary: fc.constant(elsewhere) })
const command: fc.Arbitrary<readonly string[]> = fc.oneof(
  anyKey.map(key => ['GET', key]),
  anyKey.map(key => ['SET', key, 'new']),
  anyKey.map(key => ['DEL', key]),
  fc.array(anyKey, { minLength: 1, maxLength: 3 }).map(keys => ['MGET', ...keys]),
  fc.array(anyKey, { minLength: 1, maxLength: 3 }).map(keys => ['WATCH', ...keys]),
  fc.constantFrom(['ASKING'], ['ASKING'], ['MULTI'], ['EXEC'], ['DISCARD'], ['READONLY'], ['READWRITE'], ['PING']),
)

it('plays a migration as a real cluster: ASK, ASKING, TRYAGAIN and what transactions make of them', async () => {
  const [from, to] = [real.nodes[1], real.nodes[2]] as [LocalServer, LocalServer]
  /** The slot is on its way, one key is still here and another one gone. */
  const begin = async () => {
    await from.command('CLUSTER', 'SETSLOT', slot, 'STABLE')
    if (isMoving) fake.cancelMigration(slot)
    for (const node of [1, 2]) await expectSame(node, [['FLUSHALL']])
    await expectSame(1, [write])
    await real.beginMigration(slot, from, to)
    fake.beginMigration(slot, fake.nodes[2] as FakeNode)
    isMoving = true
    await expectSame(2, [['ASKING'], ['SET', gone, 'there']])
  }
  let isMoving = false
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(0, 1, 2),
      fc.array(command, { minLength: 1, maxLength: 12 }),
      async (node, sent) => {
        await begin()
        await expectSame(node, sent)
      },
    ),
    { numRuns: 150 },
  )
  await real.migrateKeys(slot, from, to)
  await real.finishMigration(slot, from, to)
  fake.finishMigration(slot)
  await expectSame(1, [['GET', gone]])
  await expectSame(2, [
    ['GET', gone],
    ['MGET', gone, none],
  ])
})
