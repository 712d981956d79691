// Subscriptions on a real cluster: nodes that die, come back and hand their slots over while messages are published. Every message
// that a server has accepted is delivered, or lies within a gap that was told.

import { setTimeout as delay } from 'node:timers/promises'
import { type Client, createClient, type Gap, type Message } from 'slotwise/core'
import { describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { failureOf, thrownBy } from '../support/clients.js'
import { eventually, keyIn, useCluster } from '../support/settled.js'

const test = useCluster({ primaries: 3, replicasPerPrimary: 1, nodeTimeoutMs: 1000 })

type Kind = 'channel' | 'pattern' | 'shard'
const kinds: readonly Kind[] = ['channel', 'pattern', 'shard']
/** A channel of each primary's slots. */
const slots = [100, 8000, 16_000]
let names = 0

/** Numbers published on some channels by a client of its own, with the times between which each was taken. */
class Publisher {
  readonly taken: { channel: string; payload: string; fromMs: number; toMs: number }[] = []
  readonly client: Client
  readonly #command: string
  #running = true
  readonly #done: Promise<void>

  constructor(kind: Kind, channels: readonly string[]) {
    this.client = test.client({ timeoutMs: 3000, resend: 'none' })
    this.#command = kind === 'shard' ? 'SPUBLISH' : 'PUBLISH'
    this.#done = Promise.all(channels.map(channel => this.#run(channel))).then(() => undefined)
  }

  async #run(channel: string): Promise<void> {
    for (let i = 0; this.#running; i++) {
      const fromMs = Date.now()
      const payload = `${channel} ${i}`
      try {
        await this.client.execute(this.#command, [channel, payload])
        this.taken.push({ channel, payload, fromMs, toMs: Date.now() })
      } catch (error) {
        if ((error as Error).name !== 'SlotwiseError') throw error
      }
      await delay(5)
    }
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#done
  }
}

class Listener {
  readonly received: Message[] = []
  readonly gaps: Gap[] = []
  readonly client: Client
  readonly channels: readonly string[]
  readonly subscribed: readonly string[]
  readonly kind: Kind
  readonly protocol: 2 | 3

  constructor(kind: Kind, protocol: 2 | 3) {
    this.kind = kind
    this.protocol = protocol
    const run = `run${++names}`
    this.channels = slots.map(slot => `${keyIn(slot)}:${run}`)
    this.subscribed = kind === 'pattern' ? this.channels.map(name => `${name.slice(0, -1)}?`) : this.channels
    this.client = test.client({ protocol, refreshMinIntervalMs: 200 })
  }

  async start(): Promise<void> {
    const { kind, received, gaps } = this
    const onMessage = (message: Message) => void received.push(message)
    await this.client.subscribe(this.subscribed, { kind, onMessage, onGap: gap => void gaps.push(gap) }).ready
  }

  /** Messages that are neither delivered nor within a gap; those published twice over. */
  unaccounted({ taken }: Publisher): string[] {
    const delivered = new Set(this.received.map(({ payload }) => payload))
    return taken
      .filter(({ channel, payload, fromMs, toMs }) => {
        if (delivered.has(payload)) return false
        const name = this.subscribed[this.channels.indexOf(channel)] as string
        return !this.gaps.some(gap => gap.channels.includes(name) && gap.fromMs <= toMs && fromMs <= gap.toMs)
      })
      .map(({ payload, fromMs, toMs }) => `${payload} at ${fromMs}-${toMs}`)
  }

  /** What the publisher has published. */
  get numbered(): Message[] {
    return this.received.filter(({ payload }) => !payload.includes('still there'))
  }

  /** Messages that came twice, and not about the time of a gap: the cluster bus may bring once more what the last server has sent. */
  repeated({ taken }: Publisher): string[] {
    const payloads = this.numbered.map(({ payload }) => payload)
    const twice = new Set(payloads.filter((payload, i) => payloads.indexOf(payload) !== i))
    return taken
      .filter(({ payload, fromMs, toMs }) => {
        if (!twice.has(payload)) return false
        return !this.gaps.some(gap => gap.fromMs - 1000 <= toMs && fromMs <= gap.toMs)
      })
      .map(({ payload }) => payload)
  }

  /** What is published from now on comes. */
  async hears(): Promise<void> {
    for (const channel of this.channels) {
      const payload = `${channel} still there ${++names}`
      await eventually(async () => {
        await this.client.execute(this.kind === 'shard' ? 'SPUBLISH' : 'PUBLISH', [channel, payload])
        await delay(5)
        expect(this.received.map(message => message.payload)).toContain(payload)
      }, 20_000)
    }
  }
}

/** Every shard has a replica that can take over. */
const whole = () =>
  eventually(
    async () => {
      expect(await test.cluster.isOk()).toBe(true)
      for (const node of test.cluster.nodes) {
        const shards = (await node.command('CLUSTER', 'SLOTS')) as unknown[][]
        expect(shards.every(shard => shard.length === 4)).toBe(true)
        const [role, , , link] = (await node.command('ROLE')) as string[]
        if (role === 'slave') expect(link).toBe('connected')
      }
    },
    30_000,
    50,
  )

/** The servers that bring a listener its messages. */
async function carriersOf({ kind, channels, subscribed }: Listener): Promise<LocalServer[]> {
  const found = new Set<LocalServer>()
  for (const node of test.cluster.nodes) {
    if (kind === 'pattern') {
      if (Number(await node.command('PUBSUB', 'NUMPAT')) > 0) found.add(node)
    } else {
      const names = kind === 'shard' ? channels : subscribed
      const reply = await node.command('PUBSUB', kind === 'shard' ? 'SHARDNUMSUB' : 'NUMSUB', ...names)
      if ((reply as unknown[]).some((count, i) => i % 2 === 1 && Number(count) > 0)) found.add(node)
    }
  }
  return [...found]
}

/** Listeners of each kind over each protocol, each with a publisher, while something happens. */
async function accounted(disturb: (listeners: Listener[]) => Promise<unknown>): Promise<Listener[]> {
  await whole()
  const listeners = ([2, 3] as const).flatMap(protocol => kinds.map(kind => new Listener(kind, protocol)))
  await Promise.all(listeners.map(listener => listener.start()))
  const publishers = listeners.map(({ kind, channels }) => new Publisher(kind, channels))
  await delay(200)
  await disturb(listeners)
  await Promise.all(listeners.map(listener => listener.hears()))
  // Longer than the cluster bus is given to settle.
  await delay(3500)
  await Promise.all(publishers.map(publisher => publisher.stop()))
  await delay(100)
  listeners.forEach((listener, i) => {
    const publisher = publishers[i] as Publisher
    const what = `${listener.kind} over RESP${listener.protocol}`
    expect(listener.unaccounted(publisher), what).toEqual([])
    expect(listener.repeated(publisher), `${what}: delivered twice`).toEqual([])
    expect(publisher.taken.length, what).toBeGreaterThan(100)
    expect(listener.numbered.length, what).toBeGreaterThan(publisher.taken.length / 4)
  })
  return listeners
}

describe('subscriptions of every kind, over both protocols', () => {
  it('hear everything while nothing happens, and no gap is told', async () => {
    for (const { kind, protocol, gaps, client, channels, numbered } of await accounted(() => delay(300))) {
      expect(gaps).toEqual([])
      // The others come by way of several nodes, each of which keeps its own order.
      for (const channel of kind === 'shard' ? channels : []) {
        const own = numbered.filter(message => message.channel === channel)
        expect(own.map(({ payload }) => Number(payload.split(' ')[1]))).toEqual(own.map((_, i) => i))
      }
      const { subscriber } = client.inspect().sockets
      if (protocol === 3) expect(subscriber).toBe(0)
      else expect(subscriber).toBeGreaterThan(0)
      if (kind !== 'shard') expect(subscriber).toBeLessThan(2)
    }
  })

  it('go on after their connections were cut, and tell the gap', async () => {
    const listeners = await accounted(async () => {
      for (const node of test.cluster.nodes) await node.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    })
    for (const { gaps } of listeners) {
      expect(gaps.length).toBeGreaterThan(0)
      for (const { fromMs, toMs } of gaps) expect(toMs).toBeGreaterThanOrEqual(fromMs)
    }
  })

  it('go on when their servers are killed, one after the other, and come back', async () => {
    const listeners = await accounted(async own => {
      const carriers = new Set<LocalServer>()
      for (const listener of own) for (const node of (await carriersOf(listener)).slice(0, 1)) carriers.add(node)
      for (const node of carriers) {
        await node.kill()
        await Promise.all(own.map(listener => listener.hears()))
        await node.restart()
        await whole()
      }
    })
    for (const { gaps } of listeners) expect(gaps.length).toBeGreaterThan(0)
  })

  it('go on through failovers that are asked for', async () => {
    await accounted(async () => {
      const [one, two] = (await test.cluster.replicas()) as [LocalServer, LocalServer]
      for (const replica of [one, two]) {
        await test.cluster.failover(replica)
        await whole()
      }
    })
  })

  it('go on when the slots of their channels move', async () => {
    await accounted(async () => {
      for (const slot of slots) {
        const from = await test.cluster.primaryOf(slot)
        const to = (await test.cluster.primaries()).find(node => node !== from) as LocalServer
        await test.cluster.beginMigration(slot, from, to)
        await test.cluster.finishMigration(slot, from, to)
      }
    })
  })
})

describe.each([2, 3] as const)('over RESP%i', protocol => {
  it('10,000 of them move in a failover', async () => {
    await whole()
    const client = test.client({ protocol, refreshMinIntervalMs: 200 })
    const primary = await test.cluster.primaryOf(100)
    const count = 10_000
    const received = new Set<string>()
    const missed = new Set<string>()
    const shards = Array.from({ length: count / 2 }, (_, i) => keyIn(100, `many:${i}`))
    const channels = Array.from({ length: count / 2 }, (_, i) => `many:${i}`)
    const onMessage = ({ channel }: Message) => void received.add(channel)
    const onGap = (gap: Gap) => {
      for (const name of gap.channels) missed.add(name)
    }
    await Promise.all([
      client.subscribe(shards, { kind: 'shard', onMessage, onGap }).ready,
      client.subscribe(channels, { onMessage, onGap }).ready,
    ])
    await primary.kill()
    // The shard channels have been away in any case.
    await eventually(() => expect(shards.every(name => missed.has(name))).toBe(true), 30_000)
    await eventually(async () => {
      await client.batch([
        ...shards.filter(name => !received.has(name)).map(name => ['SPUBLISH', [name, 'x']] as const),
        ...channels.filter(name => !received.has(name)).map(name => ['PUBLISH', [name, 'x']] as const),
      ])
      expect(received.size).toBe(count)
    }, 30_000)
    await primary.restart()
    await test.cluster.waitUntilOk(30_000)
  })
})

describe('a subscription', () => {
  it('is iterated over, and ended by break', async () => {
    const client = test.client()
    const name = `iterated:${++names}`
    const subscription = client.subscribe(name)
    await subscription.ready
    for (let i = 0; i < 5; i++) await client.execute('PUBLISH', [name, i])
    const seen: string[] = []
    for await (const { payload } of subscription) if (seen.push(payload) === 5) break
    expect(seen).toEqual(['0', '1', '2', '3', '4'])
    await eventually(async () => {
      for (const node of test.cluster.nodes) expect(await node.command('PUBSUB', 'CHANNELS', name)).toEqual([])
    })
  })

  it('is ended by `await using`', async () => {
    const client = test.client()
    const name = `used:${++names}`
    {
      await using subscription = client.subscribe(name, { kind: 'shard' })
      await subscription.ready
      expect(await client.execute('SPUBLISH', [name, 'x'])).toBe(1)
    }
    expect(await client.execute('SPUBLISH', [name, 'x'])).toBe(0)
  })

  it.each([
    ['oldest', ['7', '8', '9']],
    ['newest', ['0', '1', '2']],
  ] as const)('drops the %s messages when there is no room, and counts them', async (overflow, kept) => {
    const client = test.client()
    const name = `full:${++names}`
    const subscription = client.subscribe(name, { maxBufferedMessages: 3, overflow })
    await subscription.ready
    for (let i = 0; i < 10; i++) await client.execute('PUBLISH', [name, i])
    await eventually(() => expect([subscription.buffered, subscription.dropped]).toEqual([3, 7]))
    const seen: string[] = []
    for await (const { payload } of subscription) if (seen.push(payload) === 3) break
    expect(seen).toEqual(kept)
  })

  it('is shared: a name is subscribed to once for all who want it, and left with the last of them', async () => {
    const client = test.client()
    const name = `shared:${++names}`
    const [one, two] = [client.subscribe(name), client.subscribe(name, { buffers: true })]
    await Promise.all([one.ready, two.ready])
    const numsub = async () => {
      const counts = await Promise.all(test.cluster.nodes.map(node => node.command('PUBSUB', 'NUMSUB', name)))
      return counts.reduce((sum: number, reply) => sum + Number((reply as unknown[])[1]), 0)
    }
    expect(await numsub()).toBe(1)
    await client.execute('PUBLISH', [name, 'for both'])
    expect((await one[Symbol.asyncIterator]().next()).value).toEqual({ channel: name, payload: 'for both' })
    expect((await two[Symbol.asyncIterator]().next()).value).toEqual({
      channel: Buffer.from(name),
      payload: Buffer.from('for both'),
    })
    await one.close()
    expect(await numsub()).toBe(1)
    await two.close()
    expect(await numsub()).toBe(0)
  })

  it('holds up nothing, and is held up by nothing', async () => {
    const client = test.client()
    const name = `beside:${++names}`
    const subscription = client.subscribe(name)
    await subscription.ready
    expect(await client.execute('SET', [name, 'v'])).toBe('OK')
    expect(await client.execute('GET', [name])).toBe('v')
    await client.execute('PUBLISH', [name, 'x'])
    expect((await subscription[Symbol.asyncIterator]().next()).value).toMatchObject({ payload: 'x' })
  })

  it('that the server refuses says so, and the others of the same call stand', async () => {
    const primaries = await test.cluster.primaries()
    for (const node of test.cluster.nodes) {
      await node.command('ACL', 'SETUSER', 'limited', 'on', '>secret', '~*', '+@all', 'resetchannels', '&allowed:*')
    }
    expect(primaries.length).toBe(3)
    const client = test.client({ username: 'limited', password: 'secret' })
    const refused = client.subscribe(['allowed:1', 'forbidden:1'])
    expect(await failureOf(refused.ready)).toMatchObject({ name: 'ReplyError', code: 'NOPERM' })
    await expect(refused[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'NOPERM' })
    const allowed = client.subscribe('allowed:2')
    await allowed.ready
    await client.execute('PUBLISH', ['allowed:2', 'x'])
    expect((await allowed[Symbol.asyncIterator]().next()).value).toMatchObject({ payload: 'x' })
  })

  it('that takes its time is told to be late, and stands in the end', async () => {
    const dead = await LocalServer.start()
    const { address } = dead
    await dead.kill()
    const client = createClient({ server: address, backoffMaxMs: 100 })
    try {
      const subscription = client.subscribe('late', { timeoutMs: 50 })
      expect(await failureOf(subscription.ready)).toMatchObject({ code: 'SLOTWISE_TIMEOUT', elapsedMs: 50 })
      const next = subscription[Symbol.asyncIterator]().next()
      await dead.restart()
      await eventually(async () => {
        expect(await dead.command('PUBLISH', 'late', 'at last')).toBe(1)
      })
      expect((await next).value).toEqual({ channel: 'late', payload: 'at last' })
    } finally {
      await client.close()
      await dead.stop()
    }
  })

  it('ends with its client', async () => {
    const client = test.client()
    const subscription = client.subscribe(`ends:${++names}`)
    await subscription.ready
    const next = subscription[Symbol.asyncIterator]().next()
    await client.close()
    expect(await next).toEqual({ value: undefined, done: true })
    const late = client.subscribe('late')
    expect(await failureOf(late.ready)).toMatchObject({ code: 'SLOTWISE_CLOSED' })
  })

  it.each([
    ['no name', [], {}],
    ['a name that is a number', [5], {}],
    ['an unknown option', ['a'], { pattern: true }],
    ['a kind that is none', ['a'], { kind: 'channels' }],
    ['a buffer that is none', ['a'], { maxBufferedMessages: -1 }],
    ['a listener that is none', ['a'], { onGap: 'log' }],
    ['a deadline that is none', ['a'], { timeoutMs: -1 }],
  ])('is refused at once: %s', (_, given, options) => {
    const client = test.client()
    expect(thrownBy(() => client.subscribe(given as never, options as never))).toMatchObject({
      code: 'SLOTWISE_INVALID_ARGUMENT',
    })
  })
})
