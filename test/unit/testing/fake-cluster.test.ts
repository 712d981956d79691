import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createClient } from 'slotwise/core'
import { FakeCluster, type FakeClusterOptions, type FakeNode, keyInSlot } from 'slotwise/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { RawPeer } from '../../support/raw-peer.js'

const ended: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of ended.splice(0).reverse()) await one.close()
})
function kept<Kept extends { close(): unknown }>(one: Kept): Kept {
  ended.push(one)
  return one
}
const start = async (options?: FakeClusterOptions) => kept(await FakeCluster.start(options))
const peer = async (node: { port: number }, protocol: 2 | 3 = 2) => kept(await RawPeer.connect(node.port, protocol))
const askOnce = async (node: { port: number }, ...commands: string[][]) => (await peer(node)).ask(commands)
const parts = (cluster: FakeCluster) => cluster.nodes as unknown as [FakeNode, FakeNode, FakeNode, ...FakeNode[]]

describe('slots', () => {
  it('are all served, in as many ranges as asked for', async () => {
    const cluster = await start({ primaries: 2, replicas: 0, ranges: 8 })
    const [a, b] = parts(cluster)
    expect(a.slots).toEqual([
      [0, 2047],
      [4096, 6143],
      [8192, 10_239],
      [12_288, 14_335],
    ])
    expect(b.slots[3]).toEqual([14_336, 16_383])
    expect([cluster.ownerOf(0), cluster.ownerOf('foo')]).toEqual([a, b])
  })

  it('move with their keys, raise the epoch, and are redirected from their old owner', async () => {
    const cluster = await start()
    const [a, b] = parts(cluster)
    await askOnce(a, ['SET', keyInSlot(7), 'v'])
    const before = cluster.currentEpoch
    cluster.moveSlots(5, 10, b)
    expect(await askOnce(b, ['GET', keyInSlot(7)])).toEqual(['$v'])
    expect(await askOnce(a, ['GET', keyInSlot(7)])).toEqual([`-MOVED 7 127.0.0.1:${b.port}`])
    expect([cluster.currentEpoch, b.configEpoch, a.configEpoch]).toEqual([before + 1, before + 1, 1])
    expect(a.slots).toEqual([
      [0, 4],
      [11, 5460],
    ])
    cluster.moveSlots(5, 5, b)
    expect(cluster.currentEpoch).toBe(before + 1)
  })

  it('that nobody serves bring the cluster down, unless it may be served in part', async () => {
    const cluster = await start()
    const partly = await start({ requireFullCoverage: false })
    for (const one of [cluster, partly]) one.unassignSlots(100, 100)
    expect(await askOnce(parts(cluster)[0], ['GET', keyInSlot(100)], ['GET', keyInSlot(1)])).toEqual([
      '-CLUSTERDOWN Hash slot not served',
      '-CLUSTERDOWN The cluster is down',
    ])
    expect(await askOnce(parts(partly)[0], ['GET', keyInSlot(100)], ['GET', keyInSlot(1)])).toEqual([
      '-CLUSTERDOWN Hash slot not served',
      '$-1',
    ])
  })

  it('send away who waits for their keys or listens to their channels', async () => {
    const cluster = await start()
    const [a, b] = parts(cluster)
    const [waiting, listening] = await Promise.all([peer(a), peer(a, 3)])
    const key = keyInSlot(3)
    waiting.say([['BLPOP', key, '0']])
    await listening.ask([['SSUBSCRIBE', key]])
    await askOnce(a, ['PING'])
    cluster.moveSlots(3, 3, b)
    expect(await waiting.hear(1)).toEqual([`-MOVED 3 127.0.0.1:${b.port}`])
    expect(await listening.hear(1)).toEqual([['>', '$sunsubscribe', `$${key}`, ':0']])
  })

  it('are described once for each change, however often that is asked for', async () => {
    const cluster = await start({ primaries: 50, ranges: 500 })
    const [a, b, c] = parts(cluster)
    const answers = [a, b, c].map(node => node.side.slots(3))
    expect(new Set(answers).size).toBe(1)
    cluster.moveSlots(0, 0, c)
    expect(a.side.slots(3)).not.toBe(answers[0])
  })
})

describe('a failover', () => {
  it('makes the replica the primary, with the data and a higher epoch; the old one comes back as its replica', async () => {
    const cluster = await start()
    const [old, second] = parts(cluster)
    const key = keyInSlot(0)
    await askOnce(old, ['SET', key, 'v'])
    const next = await cluster.failover(old)
    expect([next.role, next.configEpoch, old.isRunning, old.role]).toEqual(['primary', 7, false, 'replica'])
    expect(await askOnce(next, ['GET', key])).toEqual(['$v'])
    expect(await askOnce(second, ['GET', key])).toEqual([`-MOVED 0 127.0.0.1:${next.port}`])
    const [nodes] = await askOnce(second, ['CLUSTER', 'NODES'])
    expect(nodes).toContain(`${old.id} 127.0.0.1:${old.port}@`)
    expect(String(nodes)).toMatch(new RegExp(`${old.id} \\S+ slave,fail ${next.id} .* disconnected`))
    await old.restart()
    expect(await askOnce(old, ['READONLY'], ['GET', key])).toEqual(['+OK', '$v'])
  })

  it('loses what was written after replication had ended', async () => {
    const cluster = await start()
    const [old] = parts(cluster)
    const [key, late] = [keyInSlot(0, 'early'), keyInSlot(0, 'late')]
    await askOnce(old, ['SET', key, 'v'])
    const failover = cluster.failover(old, { loseWritesMs: 50, afterMs: 60, primary: 'demoted' })
    expect(await askOnce(old, ['SET', late, 'v'], ['GET', late])).toEqual(['+OK', '$v'])
    const next = await failover
    expect(await askOnce(next, ['GET', key], ['GET', late])).toEqual(['$v', '$-1'])
    expect(await askOnce(old, ['READONLY'], ['GET', late])).toEqual(['+OK', '$-1'])
  })

  it('ends what waits on the old primary when that is demoted', async () => {
    const cluster = await start()
    const [old] = parts(cluster)
    const waiting = await peer(old)
    waiting.say([['BLPOP', keyInSlot(0), '0']])
    await askOnce(old, ['PING'])
    await cluster.failover(old, { primary: 'demoted' })
    expect(String(await waiting.hear(1))).toMatch(/^-UNBLOCKED/)
    await expect(waiting.hear(1)).rejects.toThrow('closed')
  })

  it('needs a running replica', async () => {
    const cluster = await start({ replicas: 0 })
    await expect(cluster.failover(parts(cluster)[0])).rejects.toMatchObject({ code: 'SLOTWISE_INVALID_ARGUMENT' })
  })

  it('is followed by a client, which loses no call that may be sent again', async () => {
    const cluster = await start()
    const client = kept(createClient({ cluster: cluster.addresses }))
    await client.connect()
    await client.execute('SET', ['k', 'v'])
    await cluster.failover(cluster.ownerOf('k') as FakeNode)
    expect(await client.execute('GET', ['k'])).toBe('v')
  })
})

describe('a node with a view of its own', () => {
  it('answers, redirects and serves by what it knew, until it learns', async () => {
    const cluster = await start()
    const [a, b, c] = parts(cluster)
    const key = keyInSlot(0)
    a.pinView()
    c.pinView()
    const next = await cluster.failover(a, { primary: 'demoted' })
    expect(await askOnce(c, ['GET', key])).toEqual([`-MOVED 0 127.0.0.1:${a.port}`])
    expect(await askOnce(b, ['GET', key])).toEqual([`-MOVED 0 127.0.0.1:${next.port}`])
    // Two primaries for a while.
    expect(await askOnce(a, ['SET', key, 'lost'], ['GET', key])).toEqual(['+OK', '$lost'])
    expect(await askOnce(next, ['SET', key, 'kept'])).toEqual(['+OK'])
    a.unpinView()
    c.unpinView()
    expect(await askOnce(c, ['GET', key])).toEqual([`-MOVED 0 127.0.0.1:${next.port}`])
    expect(await askOnce(a, ['READONLY'], ['GET', key])).toEqual(['+OK', '$kept'])
  })

  it('may learn late', async () => {
    const cluster = await start()
    const [a, b, c] = parts(cluster)
    c.viewLagMs = 40
    const key = keyInSlot(0)
    const before = Date.now()
    cluster.moveSlots(0, 0, b)
    const [told] = await askOnce(c, ['GET', key])
    if (Date.now() - before < 40) expect(told).toBe(`-MOVED 0 127.0.0.1:${a.port}`)
    await new Promise(resolve => setTimeout(resolve, 45))
    expect(await askOnce(c, ['GET', key])).toEqual([`-MOVED 0 127.0.0.1:${b.port}`])
  })
})

describe('nodes that come, go and change their names', () => {
  it('adds a shard, gives it slots, and removes one that has none', async () => {
    const cluster = await start()
    const [a] = parts(cluster)
    await askOnce(a, ['SET', keyInSlot(0), 'v'])
    const added = await cluster.addShard(1)
    expect([added.slots, added.replicas.length, cluster.nodes.length]).toEqual([[], 1, 8])
    await expect(cluster.removeShard(a)).rejects.toThrow('still owns slots')
    cluster.moveSlots(0, 5460, added)
    expect(await askOnce(added, ['GET', keyInSlot(0)])).toEqual(['$v'])
    await cluster.removeShard(a)
    expect([a.isRunning, cluster.nodes.includes(a), cluster.nodes.length]).toEqual([false, false, 6])
  })

  it('announces what it is told to', async () => {
    const cluster = await start({ replicas: 0 })
    const [a, b] = parts(cluster)
    const key = keyInSlot(0)
    const entry = async () => {
      const [slots] = (await askOnce(b, ['CLUSTER', 'SLOTS'])) as [unknown[][]]
      return (slots[1] as unknown[])[3]
    }
    for (const [host, shown, redirect] of [
      [null, '$-1', ''],
      ['?', '$?', '?'],
      ['', '$', ''],
      ['10.0.0.1', '$10.0.0.1', '10.0.0.1'],
    ] as const) {
      cluster.announce(a, { host })
      expect(await entry()).toEqual(['*', shown, `:${a.port}`, `$${a.id}`, ['*']])
      expect(await askOnce(b, ['GET', key])).toEqual([`-MOVED 0 ${redirect}:${a.port}`])
    }
    cluster.announce(a, { hostname: 'a.example', port: 7 })
    expect(await entry()).toEqual(['*', '$10.0.0.1', ':7', `$${a.id}`, ['*', '$hostname', '$a.example']])
    expect(String(await askOnce(b, ['CLUSTER', 'NODES']))).toContain(`${a.id} 10.0.0.1:7@10007,a.example master`)
  })

  it('that are noticed to have failed take the cluster down, until they are back', async () => {
    const cluster = await start()
    const [a, b] = parts(cluster)
    await a.kill()
    const key = keyInSlot(16_000)
    expect(String(await askOnce(b, ['GET', key]))).toMatch(/MOVED/)
    cluster.noteFailure(a)
    expect([cluster.isDown, await askOnce(b, ['GET', key])]).toEqual([true, ['-CLUSTERDOWN The cluster is down']])
    await cluster.restartAll()
    expect(cluster.isDown).toBe(false)
    cluster.setDown(true)
    expect(await askOnce(b, ['GET', key])).toEqual(['-CLUSTERDOWN The cluster is down'])
  })

  it('refuse connections when they are killed, and keep their data and port', async () => {
    const cluster = await start()
    const [a] = parts(cluster)
    await askOnce(a, ['SET', keyInSlot(0), 'v'])
    const { port } = a
    await a.kill()
    const [error] = await once(connect(port, '127.0.0.1'), 'error')
    expect(error.code).toBe('ECONNREFUSED')
    await a.restart()
    expect([a.port, await askOnce(a, ['GET', keyInSlot(0)])]).toEqual([port, ['$v']])
  })

  it.runIf(process.platform === 'linux')('keep other programs from getting their port meanwhile', async () => {
    const cluster = await start()
    const [a] = parts(cluster)
    // Local addresses of this host's sockets, in hexadecimal; those that listen have state 0A.
    const states = () => {
      const port = `:${a.port.toString(16).toUpperCase().padStart(4, '0')}`
      const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)
      return lines.map(line => line.trim().split(/\s+/)).flatMap(row => (row[1]?.endsWith(port) ? [row[3]] : []))
    }
    expect(states()).toEqual(['0A'])
    for (let i = 0; i < 2; i++) {
      await a.kill()
      expect(states()).toEqual(['01'])
      await a.restart()
      expect(states()).toEqual(['0A'])
    }
    await a.kill()
    await a.close()
    expect(states()).toEqual([])
  })
})

describe('messages', () => {
  it('reach subscribers on every node, those of shards the nodes of the shard', async () => {
    const cluster = await start()
    const [a, b] = parts(cluster)
    const channel = keyInSlot(0)
    const [far, sharded, other] = await Promise.all([peer(b, 3), peer(a.replicas[0] as FakeNode, 3), peer(b, 3)])
    await far.ask([['SUBSCRIBE', 'news']])
    await other.ask([['PSUBSCRIBE', 'n?ws']])
    await sharded.ask([['SSUBSCRIBE', channel]])
    expect(await askOnce(a, ['PUBLISH', 'news', 'x'], ['SPUBLISH', channel, 'y'])).toEqual([':0', ':0'])
    expect(await far.hear(1)).toEqual([['>', '$message', '$news', '$x']])
    expect(await other.hear(1)).toEqual([['>', '$pmessage', '$n?ws', '$news', '$x']])
    expect(await sharded.hear(1)).toEqual([['>', '$smessage', `$${channel}`, '$y']])
  })
})

describe('what it is given', () => {
  it.each([
    [{ primaries: 0 }, 'primaries'],
    [{ replicas: 11 }, 'replicas'],
    [{ primaries: 3, ranges: 2 }, 'ranges'],
    [{ maxProtocol: 4 as 2 }, 'maxProtocol'],
  ])('is refused where it makes no sense: %j', async (options, name) => {
    await expect(FakeCluster.start(options)).rejects.toMatchObject({
      code: 'SLOTWISE_INVALID_OPTION',
      message: expect.stringContaining(name),
    })
  })

  it('is a node of this cluster, and a slot', async () => {
    const [cluster, other] = await Promise.all([start(), start()])
    expect(() => cluster.moveSlots(0, 0, parts(other)[0])).toThrow('not a primary of this cluster')
    expect(() => cluster.moveSlots(0, 16_384, parts(cluster)[0])).toThrow('16383')
    expect(() => cluster.finishMigration(0)).toThrow('not being moved')
  })
})
