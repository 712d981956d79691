// The life of a Cluster: its statuses and events in their order, and what connect, disconnect and quit do in each of them.
// Clusters of one node: ioredis closes once for each node, so with several of them the end would not be the last thing seen.

import { bulk, type FakeServer, type Handler, silence } from 'slotwise/testing'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { freePorts, type LocalServer } from '../../scripts/local-cluster.mjs'
import { failureOf } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually, useCluster } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const test = useCluster({ primaries: 1, replicasPerPrimary: 0 })
const node = () => test.cluster.nodes[0] as LocalServer
const statuses = ['wait', 'connecting', 'connect', 'ready', 'disconnecting', 'close', 'reconnecting', 'end']
const unavailable = { name: 'Error', message: 'None of startup nodes is available' }
const closed = { name: 'Error', message: 'Connection is closed.' }
const connectedAlready = { name: 'Error', message: 'Redis is already connecting/connected' }

const made: Untyped[] = []
const servers: { close(): unknown }[] = []

/** Disconnected after the test, and its errors are not for the console. */
function kept(cluster: Untyped): Untyped {
  made.push(cluster.on('error', () => undefined))
  return cluster
}

afterEach(async () => {
  vi.restoreAllMocks()
  for (const cluster of made.splice(0)) cluster.disconnect()
  for (const server of servers.splice(0)) await server.close()
})

const next = (emitter: Untyped, event: string) => new Promise<Untyped>(resolve => emitter.once(event, resolve))

/** The events of these names with their arguments, in their order. */
function recorded(cluster: Untyped, names: string[] = [...statuses, 'refresh']): unknown[][] {
  const events: unknown[][] = []
  for (const name of names)
    cluster.on(name, (...args: unknown[]) => events.push([name, ...args.filter(arg => arg !== undefined)]))
  return events
}

const namesOf = (events: unknown[][]) => events.map(([name]) => name)

/** A scripted node that has all the slots; the handler goes first, and what every client asks has an answer. */
async function scripted(handler: Handler = () => undefined): Promise<FakeServer> {
  const server = await startScripted((command, connection) => {
    const own = handler(command, connection)
    if (own !== undefined) return own
    const [name, subcommand] = command
    if (name === 'CLUSTER' && subcommand === 'INFO') return bulk('cluster_state:ok\r\n')
    return { INFO: bulk('loading:0\r\n'), GET: bulk('value'), SET: '+OK\r\n', QUIT: '+OK\r\n' }[name as string]
  })
  server.layout = [[0, 16_383, server.port]]
  servers.push(server)
  return server
}

describeBoth('a Cluster that starts', ({ Redis, Cluster }) => {
  const open = (options: object = {}, nodes: unknown[] = [node().port]) => kept(new Cluster(nodes, options))
  const lazy = (options: object = {}, nodes?: unknown[]) => open({ lazyConnect: true, ...options }, nodes)

  it('is connecting, knows its slots, is connected, is ready', async () => {
    const cluster = open()
    expect(cluster.status).toBe('connecting')
    const events = recorded(cluster)
    const seen: unknown[] = []
    for (const name of [...statuses, 'refresh']) {
      cluster.on(name, () => seen.push([name, cluster.status, cluster.slots.length, cluster.nodes().length]))
    }
    await next(cluster, 'ready')
    expect(events).toEqual([['connecting'], ['refresh'], ['connect'], ['ready']])
    expect(seen.slice(1)).toEqual([
      ['refresh', 'connecting', 16_384, 1],
      ['connect', 'connect', 16_384, 1],
      ['ready', 'ready', 16_384, 1],
    ])
  })

  it('waits until it is told to when it is lazy', async () => {
    const cluster = lazy()
    const events = recorded(cluster)
    expect(cluster.status).toBe('wait')
    expect(events).toEqual([])
    await next(cluster, 'wait')
    const connecting = cluster.connect()
    expect(cluster.status).toBe('connecting')
    expect(await connecting).toBeUndefined()
    expect(cluster.status).toBe('ready')
    await eventually(() => expect(namesOf(events)).toEqual(['wait', 'connecting', 'refresh', 'connect', 'ready']))
  })

  it.each<[string, (cluster: Untyped) => Promise<unknown>, unknown]>([
    ['a command', cluster => cluster.set('k', 'v'), 'OK'],
    ['call()', cluster => cluster.call('SET', 'k', 'v'), 'OK'],
    ['a pipeline', cluster => cluster.pipeline().set('k', 'v').exec(), [[null, 'OK']]],
    ['a transaction', cluster => cluster.multi().set('k', 'v').exec(), [[null, 'OK']]],
  ])('begins with %s when it is lazy', async (_, use, result) => {
    const cluster = lazy()
    const used = use(cluster)
    expect(cluster.status).toBe('connecting')
    expect(await used).toEqual(result)
    expect(cluster.status).toBe('ready')
  })

  it('tells of its nodes before it is connected', async () => {
    const cluster = open()
    const events = recorded(cluster, ['+node', 'refresh', 'connect', 'ready'])
    await next(cluster, 'ready')
    expect(namesOf(events)).toEqual(['+node', 'refresh', 'connect', 'ready'])
    const [, redis] = events[0] as [string, Untyped]
    expect(redis).toBeInstanceOf(Redis)
    expect(redis.options).toMatchObject({ host: '127.0.0.1', port: node().port })
    expect(cluster.nodes()).toEqual([redis])
  })

  it('refuses to connect twice, at every stage', async () => {
    const cluster = open()
    expect(await failureOf(cluster.connect())).toMatchObject(connectedAlready)
    await next(cluster, 'connect')
    expect(await failureOf(cluster.connect())).toMatchObject(connectedAlready)
    await next(cluster, 'ready')
    expect(await failureOf(cluster.connect())).toMatchObject(connectedAlready)
    expect(await cluster.ping()).toBe('PONG')
  })

  it('keeps what is called before it is ready, and carries it out in its order', async () => {
    const cluster = open()
    const calls = [cluster.set('n', 5), cluster.incr('n'), cluster.get('n'), cluster.del('n'), cluster.get('n')]
    expect(cluster.status).toBe('connecting')
    expect(await Promise.all(calls)).toEqual(['OK', 6, '6', 1, null])
  })

  it('keeps what is called when it is connected, and not ready', async () => {
    let release = () => {}
    const server = await scripted(([name, subcommand], connection) => {
      if (name !== 'CLUSTER' || subcommand !== 'INFO') return undefined
      release = () => connection.send(bulk('cluster_state:ok\r\n'))
      return silence
    })
    const cluster = open({}, [server.port])
    await next(cluster, 'connect')
    await eventually(() => expect(server.count('CLUSTER INFO')).toBe(1))
    expect(cluster.status).toBe('connect')
    const get = cluster.get('k')
    release()
    expect(await get).toBe('value')
    expect(cluster.status).toBe('ready')
  })

  it.each(['wait', 'connecting'])('refuses what is called in status %s without an offline queue', async status => {
    const cluster = open({ enableOfflineQueue: false, lazyConnect: status === 'wait' })
    expect(cluster.status).toBe(status)
    const error = await failureOf(cluster.get('k'))
    expect(error).toMatchObject({
      name: 'Error',
      message: "Cluster isn't ready and enableOfflineQueue options is false",
    })
    await next(cluster, 'ready')
    expect(await cluster.set('k', 'v')).toBe('OK')
  })

  it('calls back who waits for its slots', async () => {
    const cluster = open()
    const got: unknown[] = []
    cluster.delayUntilReady((error: unknown) => got.push(['first', error, cluster.status]))
    cluster.delayUntilReady((error: unknown) => got.push(['second', error, cluster.status]))
    await next(cluster, 'connect')
    await eventually(() => expect(got).toHaveLength(2))
    expect(got).toEqual([
      ['first', undefined, 'connect'],
      ['second', undefined, 'connect'],
    ])
  })

  describe('asks whether the cluster is in order', () => {
    it.each([
      ['fail', bulk('cluster_enabled:1\r\ncluster_state:fail\r\n')],
      ['an error', '-ERR not now\r\n'],
    ])('and begins again as long as the answer is %s', async (_, bad) => {
      let asked = 0
      const server = await scripted(([name, subcommand]) => {
        if (name !== 'CLUSTER' || subcommand !== 'INFO') return undefined
        return ++asked < 3 ? bad : undefined
      })
      const strategy = vi.fn(() => 1)
      const cluster = open({ clusterRetryStrategy: strategy }, [server.port])
      const events = recorded(cluster)
      expect(await cluster.get('k')).toBe('value')
      const round = ['connecting', 'refresh', 'connect']
      const again = ['disconnecting', 'close', 'reconnecting', ...round]
      expect(namesOf(events)).toEqual([...round, ...again, ...again, 'ready'])
      expect(strategy.mock.calls).toEqual([
        [1, undefined],
        [2, undefined],
      ])
      expect(asked).toBe(3)
    })

    it('and takes an answer without a state for a good one', async () => {
      const server = await scripted(([name, subcommand]) =>
        name === 'CLUSTER' && subcommand === 'INFO' ? bulk('nothing:to say\r\n') : undefined,
      )
      const cluster = open({}, [server.port])
      await next(cluster, 'ready')
    })

    it('unless it was told not to', async () => {
      const server = await scripted(([name, subcommand]) =>
        name === 'CLUSTER' && subcommand === 'INFO' ? bulk('cluster_state:fail\r\n') : undefined,
      )
      const cluster = open({ enableReadyCheck: false }, [server.port])
      const events = recorded(cluster)
      expect(await cluster.get('k')).toBe('value')
      expect(namesOf(events)).toEqual(['connecting', 'refresh', 'connect', 'ready'])
      expect(server.count('CLUSTER INFO')).toBe(0)
    })
  })
})

describeBoth('a Cluster that ends', ({ Cluster }) => {
  const open = (options: object = {}, nodes: unknown[] = [node().port]) => kept(new Cluster(nodes, options))
  const ready = async (options: object = {}, nodes?: unknown[]) => {
    const cluster = open(options, nodes)
    await next(cluster, 'ready')
    return cluster
  }

  it('by disconnect() says so, closes, and ends', async () => {
    const strategy = vi.fn(() => 1)
    const cluster = await ready({ clusterRetryStrategy: strategy })
    const [redis] = cluster.nodes()
    const events = recorded(cluster, [...statuses, '-node'])
    expect(cluster.disconnect()).toBeUndefined()
    expect(cluster.status).toBe('disconnecting')
    await next(cluster, 'end')
    expect(events).toEqual([['disconnecting'], ['-node', redis], ['close'], ['end']])
    expect([cluster.status, redis.status, cluster.nodes(), strategy.mock.calls]).toEqual(['end', 'end', [], []])
  })

  it('at once when it was waiting', async () => {
    const cluster = open({ lazyConnect: true })
    const events = recorded(cluster)
    cluster.disconnect()
    expect(cluster.status).toBe('end')
    await next(cluster, 'end')
    expect(events).toEqual([['wait'], ['disconnecting'], ['close'], ['end']])
  })

  it('while it asks for its slots, and fails connect()', async () => {
    const server = await scripted(([name, subcommand]) =>
      name === 'CLUSTER' && subcommand?.toUpperCase() === 'SLOTS' ? silence : undefined,
    )
    const cluster = open({ lazyConnect: true }, [server.port])
    const events = recorded(cluster)
    const connecting = failureOf(cluster.connect())
    await eventually(() => expect(server.count('CLUSTER SLOTS') + server.count('CLUSTER slots')).toBe(1))
    const get = failureOf(cluster.get('k'))
    cluster.disconnect()
    expect(await connecting).toMatchObject(unavailable)
    expect(await get).toMatchObject(unavailable)
    await eventually(() => expect(namesOf(events)).toEqual(['wait', 'connecting', 'disconnecting', 'close', 'end']))
    expect(cluster.status).toBe('end')
  })

  it('when it is connected, and not ready', async () => {
    const cluster = open()
    await next(cluster, 'connect')
    const events = recorded(cluster)
    cluster.disconnect()
    await next(cluster, 'end')
    expect(events).toEqual([['disconnecting'], ['close'], ['end']])
  })

  it('after two calls of disconnect() as after one', async () => {
    const cluster = await ready()
    const events = recorded(cluster, ['close', 'end'])
    cluster.disconnect()
    cluster.disconnect()
    await next(cluster, 'end')
    expect([cluster.status, events]).toEqual(['end', [['close'], ['end']]])
  })

  it('refuses what is called afterwards, in whatever form', async () => {
    const cluster = await ready()
    cluster.disconnect()
    await next(cluster, 'end')
    expect(await failureOf(cluster.get('k'))).toMatchObject(closed)
    expect(await failureOf(cluster.call('GET', 'k'))).toMatchObject(closed)
    const called: unknown[] = await new Promise(resolve => cluster.get('k', (...args: unknown[]) => resolve(args)))
    expect(called).toMatchObject([closed])
    expect(await cluster.pipeline().get('k').set('k', 1).exec()).toMatchObject([[closed], [closed]])
    const transaction = (await failureOf(cluster.multi().get('k').exec())) as Untyped
    expect(transaction).toMatchObject(closed)
    expect(transaction.previousErrors).toMatchObject([closed, closed])
    expect(cluster.status).toBe('end')
  })

  it('refuses what is called while it ends', async () => {
    const cluster = await ready()
    cluster.disconnect()
    const get = failureOf(cluster.get('k'))
    expect(await get).toMatchObject(unavailable)
    await eventually(() => expect(cluster.status).toBe('end'))
  })

  it('fails what has been sent and not answered', async () => {
    const server = await scripted(([name]) => (name === 'GET' ? silence : undefined))
    const cluster = await ready({}, [server.port])
    const get = failureOf(cluster.get('k'))
    await eventually(() => expect(server.count('GET')).toBe(1))
    cluster.disconnect()
    expect(await get).toMatchObject(closed)
  })

  it('closes every connection', async () => {
    const server = await scripted()
    const cluster = await ready({}, [server.port])
    await cluster.get('k')
    expect(server.open).toBeGreaterThan(0)
    cluster.disconnect()
    await eventually(() => expect(server.open).toBe(0))
  })

  it('begins again with connect()', async () => {
    const cluster = await ready()
    const events = recorded(cluster)
    for (let i = 0; i < 3; i++) {
      cluster.disconnect()
      await next(cluster, 'end')
      const connecting = cluster.connect()
      expect(cluster.status).toBe('connecting')
      await connecting
      expect(await cluster.set('again', i)).toBe('OK')
    }
    const round = ['disconnecting', 'close', 'end', 'connecting', 'refresh', 'connect', 'ready']
    expect(namesOf(events)).toEqual([...round, ...round, ...round])
  })

  describe('by quit()', () => {
    it('says OK, and ends', async () => {
      const cluster = await ready()
      const events = recorded(cluster, [...statuses, '-node'])
      const quitting = cluster.quit()
      expect(cluster.status).toBe('disconnecting')
      expect(await quitting).toBe('OK')
      await eventually(() => expect(namesOf(events)).toEqual(['disconnecting', '-node', 'close', 'end']))
      expect(cluster.status).toBe('end')
      expect(await failureOf(cluster.get('k'))).toMatchObject(closed)
    })

    it('calls back', async () => {
      const cluster = await ready()
      const got = await new Promise(resolve => cluster.quit((...args: unknown[]) => resolve(args)))
      expect(got).toEqual([null, 'OK'])
      await eventually(() => expect(cluster.status).toBe('end'))
    })

    it('answers what was called before', async () => {
      const cluster = await ready()
      const calls = [cluster.set('q', 1), ...Array.from({ length: 50 }, () => cluster.incr('q'))]
      expect(await cluster.quit()).toBe('OK')
      expect(await Promise.all(calls)).toEqual(['OK', ...Array.from({ length: 50 }, (_, i) => i + 2)])
    })

    it('does not ask whether to begin again', async () => {
      const strategy = vi.fn(() => 1)
      const cluster = await ready({ clusterRetryStrategy: strategy })
      await cluster.quit()
      await eventually(() => expect(cluster.status).toBe('end'))
      expect(strategy).not.toHaveBeenCalled()
    })

    it('ends when it was waiting, after it has said OK', async () => {
      const cluster = open({ lazyConnect: true })
      const events = recorded(cluster)
      const quitting = cluster.quit()
      expect(cluster.status).toBe('disconnecting')
      expect(await quitting).toBe('OK')
      await next(cluster, 'end')
      expect(events).toEqual([['wait'], ['disconnecting'], ['close'], ['end']])
      expect(cluster.status).toBe('end')
    })

    it('can be followed by connect()', async () => {
      const cluster = await ready()
      await cluster.quit()
      await eventually(() => expect(cluster.status).toBe('end'))
      await cluster.connect()
      expect(await cluster.set('again', 'quit')).toBe('OK')
    })
  })
})

describeBoth('a Cluster that begins again', ({ Cluster, deviates }) => {
  const open = (options: object = {}, nodes: unknown[] = [node().port]) => kept(new Cluster(nodes, options))
  const ready = async (options: object = {}, nodes?: unknown[]) => {
    const cluster = open(options, nodes)
    await next(cluster, 'ready')
    return cluster
  }
  const backAgain = ['reconnecting', 'connecting', 'refresh', 'connect', 'ready']

  it('by disconnect(true) asks its strategy, and keeps what is called meanwhile', async () => {
    const strategy = vi.fn(() => 1)
    const cluster = await ready({ clusterRetryStrategy: strategy })
    const events = recorded(cluster)
    cluster.disconnect(true)
    expect(cluster.status).toBe('disconnecting')
    expect(await cluster.set('k', 'again')).toBe('OK')
    expect(events).toEqual(['disconnecting', 'close', ...backAgain].map(name => [name]))
    expect(strategy.mock.calls).toEqual([[1, undefined]])
    expect(strategy.mock.contexts).toEqual([cluster])
  })

  it('has other connections after disconnect(true)', async () => {
    const cluster = await ready()
    const [before, id] = [cluster.nodes()[0], await cluster.client('ID')]
    const events = recorded(cluster, ['-node', '+node'])
    cluster.disconnect(true)
    expect(await cluster.client('ID')).not.toBe(id)
    expect(events).toEqual([
      ['-node', before],
      ['+node', cluster.nodes()[0]],
    ])
    expect(cluster.nodes()[0]).not.toBe(before)
  })

  it('ends after disconnect(true) when its strategy gives no number', async () => {
    const cluster = await ready({ clusterRetryStrategy: () => null })
    cluster.disconnect(true)
    await next(cluster, 'end')
    expect(cluster.status).toBe('end')
  })

  it('counts anew once it was ready', async () => {
    const strategy = vi.fn(() => 1)
    const cluster = await ready({ clusterRetryStrategy: strategy })
    for (let i = 0; i < 3; i++) {
      const again = next(cluster, 'ready')
      cluster.disconnect(true)
      await again
    }
    expect(strategy.mock.calls).toEqual(Array(3).fill([1, undefined]))
  })

  it('when its last connection is lost', async () => {
    const server = await scripted()
    const strategy = vi.fn(() => 1)
    const cluster = await ready({ clusterRetryStrategy: strategy }, [server.port])
    await cluster.get('k')
    const events = recorded(cluster)
    server.cutAll()
    // slotwise redials the node, and the cluster is as ready as it was.
    if (!deviates('nodes-are-redialled')) {
      await next(cluster, 'ready')
      expect(events).toEqual(['close', ...backAgain].map(name => [name]))
      expect(strategy.mock.calls).toEqual([[1, undefined]])
    }
    expect(await cluster.get('k')).toBe('value')
  })

  it('and sends again what was lost with a connection', async () => {
    let cuts = 0
    const server = await scripted(([name], connection) => {
      if (name !== 'GET' || ++cuts > 2) return undefined
      connection.cut()
      return silence
    })
    const cluster = await ready({ clusterRetryStrategy: () => 1, retryDelayOnFailover: 1 }, [server.port])
    expect(await cluster.get('k')).toBe('value')
    expect(cuts).toBe(3)
  })

  it('fails what was lost with a connection when it was told not to send it again', async () => {
    const server = await scripted(([name], connection) => {
      if (name !== 'GET') return undefined
      connection.cut()
      return silence
    })
    const cluster = await ready({ clusterRetryStrategy: () => 1, retryDelayOnFailover: 0 }, [server.port])
    expect(await failureOf(cluster.get('k'))).toMatchObject(closed)
    expect(server.count('GET')).toBe(1)
  })

  it('when a real server comes back', async () => {
    const cluster = await ready({ clusterRetryStrategy: () => 20 })
    await cluster.set('before', '1')
    const events = recorded(cluster)
    const lost = next(cluster, 'reconnecting')
    await node().kill()
    await lost
    const calls = [cluster.set('during', 1), cluster.incr('during'), cluster.get('during')]
    await node().restart()
    expect(await Promise.all(calls)).toEqual(['OK', 2, '2'])
    expect(cluster.status).toBe('ready')
    const names = namesOf(events)
    expect(names.slice(0, 2)).toEqual(['close', 'reconnecting'])
    expect(names.slice(-3)).toEqual(['refresh', 'connect', 'ready'])
  })
})

describeBoth('a Cluster none of whose nodes answers', ({ Cluster, module, deviates }) => {
  const lazy = (nodes: unknown[], options: object = {}) => kept(new Cluster(nodes, { lazyConnect: true, ...options }))

  it('tells of each of them, of the whole, and tries again as its strategy says', async () => {
    const ports = await freePorts(2)
    const strategy = vi.fn((times: number) => (times < 3 ? times : null))
    const cluster = lazy(ports, { clusterRetryStrategy: strategy })
    const events = recorded(cluster, [...statuses, 'error', 'node error', 'refresh'])
    expect(await failureOf(cluster.connect())).toMatchObject(unavailable)
    await next(cluster, 'end')
    const round = ['connecting', 'node error', 'node error', 'error', 'close']
    // ioredis closes once for each node.
    const once = namesOf(events).filter((name, i, all) => name !== 'close' || all[i - 1] !== 'close')
    expect(once).toEqual(['wait', ...round, 'reconnecting', ...round, 'reconnecting', ...round, 'end'])
    expect(strategy.mock.calls).toEqual([
      [1, undefined],
      [2, undefined],
      [3, undefined],
    ])
    expect(strategy.mock.contexts).toEqual([cluster, cluster, cluster])

    const errors = events.filter(([name]) => name === 'error') as [string, Untyped][]
    const nodeErrors = events.filter(([name]) => name === 'node error') as [string, Error, string][]
    for (const [i, [, error, ...rest]] of errors.entries()) {
      expect(rest).toEqual([])
      expect(error).toBeInstanceOf(Error)
      expect({ ...error, name: error.name, message: error.message }).toMatchObject({
        name: 'ClusterAllFailedError',
        message: 'Failed to refresh slots cache.',
      })
      const [first, second] = nodeErrors.slice(2 * i, 2 * i + 2)
      expect(error.lastNodeError).toBe(second?.[1])
      expect([first?.[2], second?.[2]].sort()).toEqual(ports.map(port => `127.0.0.1:${port}`).sort())
    }
    // ioredis does not tell that the connection was refused.
    const expected = deviates('node-error-cause') ? { name: 'Error', message: /^connect ECONNREFUSED / } : closed
    for (const [, error] of nodeErrors) {
      expect(error.name).toBe(expected.name)
      expect(error.message).toMatch(expected.message)
    }
  })

  it.each([null, undefined, false, '10', {}])('ends when its strategy gives %j', async given => {
    const cluster = lazy(await freePorts(1), { clusterRetryStrategy: () => given })
    const calls = [cluster.get('a'), cluster.set('b', 1), cluster.ping()].map(failureOf)
    for (const call of calls) expect(await call).toMatchObject(unavailable)
    await eventually(() => expect(cluster.status).toBe('end'))
    expect(await failureOf(cluster.get('k'))).toMatchObject(closed)
  })

  it('ends without a strategy', async () => {
    const cluster = lazy(await freePorts(1), { clusterRetryStrategy: null })
    expect(await failureOf(cluster.connect())).toMatchObject(unavailable)
    await eventually(() => expect(cluster.status).toBe('end'))
  })

  it('fails pipelines and transactions that wait for its slots', async () => {
    const cluster = lazy(await freePorts(1), { clusterRetryStrategy: null })
    const calls = [cluster.pipeline().get('k').exec(), cluster.multi().get('k').exec()].map(failureOf)
    for (const call of calls) expect(await call).toMatchObject(unavailable)
  })

  it('calls back who waits for its slots, with the error', async () => {
    const cluster = lazy(await freePorts(1), { clusterRetryStrategy: null })
    const called = new Promise(resolve => cluster.delayUntilReady(resolve))
    await failureOf(cluster.connect())
    expect(await called).toMatchObject(unavailable)
  })

  it('keeps what is called until one of them answers', async () => {
    await node().kill()
    const cluster = lazy([node().port], { clusterRetryStrategy: () => 20 })
    const get = cluster.set('late', 'v')
    await next(cluster, 'reconnecting')
    await node().restart()
    expect(await get).toBe('OK')
  })

  it('can be told to connect at once while it waits to try again', async () => {
    await node().kill()
    const cluster = lazy([node().port], { clusterRetryStrategy: () => 20_000 })
    await failureOf(cluster.connect())
    await eventually(() => expect(cluster.status).toBe('reconnecting'))
    await node().restart()
    await test.cluster.waitUntilOk(20_000)
    await cluster.connect()
    expect(await cluster.set('k', 'v')).toBe('OK')
    // Ends what still waits to connect, too.
    await cluster.quit()
  })

  it('writes to the console when nobody listens', async () => {
    const written = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const cluster = new Cluster(await freePorts(1), { clusterRetryStrategy: null })
    await next(cluster, 'end')
    expect(written.mock.calls).toEqual([
      [
        '[ioredis] Unhandled error event:',
        expect.stringContaining('ClusterAllFailedError: Failed to refresh slots cache.'),
      ],
    ])
  })

  it('tells what a server without a cluster says', async () => {
    const server = await scripted()
    server.layout = null
    const cluster = lazy([server.port], { clusterRetryStrategy: null })
    const nodeErrors: unknown[][] = []
    cluster.on('node error', (...args: unknown[]) => nodeErrors.push(args))
    const failed = next(cluster, 'error')
    await failureOf(cluster.connect())
    const { lastNodeError } = await failed
    expect(lastNodeError).toBeInstanceOf(module.ReplyError)
    expect(lastNodeError.message).toBe('ERR This instance has cluster support disabled')
    expect(nodeErrors).toEqual([[lastNodeError, `127.0.0.1:${server.port}`]])
  })

  it('does not wait for an answer longer than slotsRefreshTimeout', async () => {
    const server = await scripted(([name, subcommand]) =>
      name === 'CLUSTER' && subcommand?.toUpperCase() === 'SLOTS' ? silence : undefined,
    )
    const cluster = lazy([server.port], { clusterRetryStrategy: null, slotsRefreshTimeout: 30 })
    const failed = next(cluster, 'error')
    await failureOf(cluster.connect())
    const { lastNodeError } = await failed
    expect(lastNodeError).toMatchObject({ name: 'Error', message: 'timeout' })
  })

  it('has not failed as long as one of them answers in time', async () => {
    const server = await scripted(() => silence)
    const cluster = lazy([server.port, ...(await freePorts(1)), node().port], { slotsRefreshTimeout: 200 })
    const errors: unknown[] = []
    cluster.on('error', (error: unknown) => errors.push(error))
    expect(await cluster.set('k', 'v')).toBe('OK')
    expect(errors).toEqual([])
    expect(cluster.nodes().map(({ options }: Untyped) => options.port)).toEqual([node().port])
  })
})

describeBoth('refreshSlotsCache() of a Cluster', ({ Cluster }) => {
  const open = (options: object = {}, nodes: unknown[] = [node().port]) => kept(new Cluster(nodes, options))
  const refreshed = (cluster: Untyped) =>
    new Promise<unknown[]>(resolve => cluster.refreshSlotsCache((...args: unknown[]) => resolve(args)))

  it('calls back without an error, after it has told of it', async () => {
    const cluster = open()
    await next(cluster, 'ready')
    const events = recorded(cluster)
    const args = await refreshed(cluster)
    expect(args).toEqual([undefined])
    expect(events).toEqual([['refresh']])
    expect(cluster.refreshSlotsCache()).toBeUndefined()
    await next(cluster, 'refresh')
  })

  it('asks once for all who ask meanwhile', async () => {
    const server = await scripted()
    const cluster = open({}, [server.port])
    await next(cluster, 'ready')
    const asked = () => server.seen('CLUSTER').filter(words => words[1]?.toUpperCase() === 'SLOTS').length
    const before = asked()
    const events = recorded(cluster)
    expect(await Promise.all([refreshed(cluster), refreshed(cluster), refreshed(cluster)])).toEqual(
      Array(3).fill([undefined]),
    )
    expect(asked()).toBe(before + 1)
    expect(events).toEqual([['refresh']])
  })

  it('fails where no node is known', async () => {
    const cluster = open({ lazyConnect: true })
    const [error] = (await refreshed(cluster)) as [Untyped]
    expect(error).toMatchObject({ name: 'ClusterAllFailedError', message: 'Failed to refresh slots cache.' })
    expect(error.lastNodeError).toBeNull()
    expect(cluster.status).toBe('wait')
  })

  it('fails when no node answers, and the cluster goes on as it was', async () => {
    let refuses = false
    const server = await scripted(([name, subcommand]) =>
      refuses && name === 'CLUSTER' && subcommand?.toUpperCase() === 'SLOTS' ? '-ERR not now\r\n' : undefined,
    )
    const cluster = open({}, [server.port])
    await next(cluster, 'ready')
    const events = recorded(cluster, [...statuses, 'refresh', 'error', 'node error'])
    refuses = true
    const [error] = (await refreshed(cluster)) as [Untyped]
    expect(error).toMatchObject({ name: 'ClusterAllFailedError', lastNodeError: { message: 'ERR not now' } })
    expect(events).toEqual([['node error', error.lastNodeError, `127.0.0.1:${server.port}`]])
    expect([cluster.status, await cluster.get('k')]).toEqual(['ready', 'value'])
  })

  it('happens by itself every slotsRefreshInterval', async () => {
    const cluster = open({ slotsRefreshInterval: 20 })
    await next(cluster, 'ready')
    const events = recorded(cluster)
    await eventually(() => expect(events.length).toBeGreaterThan(3))
    expect(new Set(namesOf(events))).toEqual(new Set(['refresh']))
  })
})
