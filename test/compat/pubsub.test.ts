// Publish and subscribe on a standalone client: counts, messages, the subscriber mode, and what a reconnect brings back.

import { array, bulk } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { failureOf } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

const messageEvents = ['message', 'messageBuffer', 'pmessage', 'pmessageBuffer', 'smessage', 'smessageBuffer']
const subscriberOnly = {
  name: 'Error',
  message: 'Connection in subscriber mode, only subscriber commands may be used',
}

let server: LocalServer
const clients: Untyped[] = []
const servers: { close?(): unknown; stop?(): unknown }[] = []

beforeAll(async () => {
  server = await LocalServer.start()
})
afterEach(async () => {
  for (const redis of clients.splice(0)) redis.disconnect()
  for (const one of servers.splice(0)) await (one.close?.() ?? one.stop?.())
  // The server counts the subscribers that are told of below.
  await eventually(async () => expect(await server.command('PUBSUB', 'CHANNELS')).toEqual([]))
})
afterAll(() => server?.stop())

/** Disconnected after the test, and its errors are not for the console. */
function kept(redis: Untyped): Untyped {
  clients.push(redis.on('error', () => undefined))
  return redis
}

const next = (redis: Untyped, event: string) => new Promise<Untyped>(resolve => redis.once(event, resolve))

/** Every event with a message, in its order, with its arguments. */
function messagesOf(redis: Untyped): unknown[][] {
  const messages: unknown[][] = []
  for (const name of messageEvents) redis.on(name, (...args: unknown[]) => messages.push([name, ...args]))
  return messages
}

const protocols = [[2], [3]] as const

describeBoth('subscribing', ({ Redis }) => {
  const client = (more: object = {}) => kept(new Redis({ port: server.port, host: server.host, ...more }))

  it.each(protocols)('gives the number of channels and patterns, under protocol %i', async protocol => {
    const redis = client({ protocol })
    expect(await redis.subscribe('a')).toBe(1)
    expect(await redis.subscribe('b', 'c')).toBe(3)
    expect(await redis.subscribe(['d', 'e'])).toBe(5)
    expect(await redis.psubscribe('p*')).toBe(6)
    expect(await redis.psubscribe('q*', ['r*'])).toBe(8)
    // Shard channels are counted for themselves.
    expect(await redis.ssubscribe('s', 't')).toBe(2)
    expect(await redis.unsubscribe('a')).toBe(7)
    expect(await redis.unsubscribe('b', 'c', 'd')).toBe(4)
    expect(await redis.punsubscribe('p*')).toBe(3)
    expect(await redis.sunsubscribe('s')).toBe(1)
    expect(await redis.sunsubscribe()).toBe(0)
  })

  it.each(protocols)('to what it is subscribed to changes no number, under protocol %i', async protocol => {
    const redis = client({ protocol })
    expect(await redis.subscribe('a', 'a', 'a')).toBe(1)
    expect(await redis.subscribe('a')).toBe(1)
    expect(await redis.unsubscribe('never')).toBe(1)
    expect(await redis.unsubscribe('a', 'a')).toBe(0)
    expect(await redis.unsubscribe('a')).toBe(0)
  })

  it.each(protocols)('ends with everything at once, under protocol %i', async protocol => {
    const redis = client({ protocol })
    expect(await redis.unsubscribe()).toBe(0)
    expect(await redis.punsubscribe()).toBe(0)
    expect(await redis.sunsubscribe()).toBe(0)
    await redis.subscribe('a', 'b', 'c')
    expect(await redis.unsubscribe()).toBe(0)
    await redis.psubscribe('a*', 'b*')
    expect(await redis.punsubscribe()).toBe(0)
    await redis.ssubscribe('a', 'b')
    expect(await redis.sunsubscribe()).toBe(0)
    expect(await redis.echo('still here')).toBe('still here')
  })

  it('calls back', async () => {
    const redis = client()
    const called = (run: (back: (...args: unknown[]) => void) => unknown) =>
      new Promise(resolve => run((...args) => resolve(args)))
    expect(await called(back => redis.subscribe('a', back))).toEqual([null, 1])
    expect(await called(back => redis.subscribe('b', 'c', back))).toEqual([null, 3])
    expect(await called(back => redis.psubscribe('p*', back))).toEqual([null, 4])
    expect(await called(back => redis.ssubscribe('s', back))).toEqual([null, 1])
    expect(await called(back => redis.unsubscribe('a', back))).toEqual([null, 3])
    expect(await called(back => redis.sunsubscribe(back))).toEqual([null, 0])
  })

  it('needs a channel', async () => {
    const redis = client()
    for (const name of ['subscribe', 'psubscribe', 'ssubscribe']) {
      expect(await failureOf(redis[name]())).toMatchObject({
        name: 'ReplyError',
        message: `ERR wrong number of arguments for '${name}' command`,
        command: { name, args: [] },
      })
    }
    expect(redis.mode).toBe('normal')
  })

  it.each(protocols)('goes by call(), too, in any case of letters, under protocol %i', async protocol => {
    const redis = client({ protocol })
    const messages = messagesOf(redis)
    expect(await redis.call('subscribe', 'a', 'b')).toBe(2)
    await server.command('PUBLISH', 'b', 'hi')
    await eventually(() => expect(messages[0]).toEqual(['message', 'b', 'hi']))
    expect(await redis.call('UNSUBSCRIBE', 'a', 'b')).toBe(0)
  })

  it('has no event of its own', async () => {
    const redis = client()
    const heard: string[] = []
    for (const name of ['subscribe', 'psubscribe', 'ssubscribe', 'unsubscribe', 'punsubscribe', 'sunsubscribe']) {
      redis.on(name, () => heard.push(name))
    }
    await redis.subscribe('a')
    await redis.psubscribe('a*')
    await redis.ssubscribe('a')
    await redis.unsubscribe('a')
    expect(heard).toEqual([])
  })

  it('waits for the connection', async () => {
    const redis = client({ lazyConnect: true })
    const messages = messagesOf(redis)
    const subscribing = redis.subscribe('a', 'b')
    const psubscribing = redis.psubscribe('p*')
    expect(redis.status).toBe('connecting')
    expect(await subscribing).toBe(2)
    expect(await psubscribing).toBe(3)
    await server.command('PUBLISH', 'a', 'hi')
    await eventually(() => expect(messages[0]).toEqual(['message', 'a', 'hi']))
  })

  it('is possible for a thousand channels', async () => {
    const redis = client({ retryStrategy: () => 1 })
    const messages: unknown[][] = []
    redis.on('message', (...args: unknown[]) => messages.push(args))
    const channels = Array.from({ length: 1_000 }, (_, i) => `channel ${i}`)
    expect(await redis.subscribe(channels)).toBe(1_000)
    const publisher = client()
    const publish = async (text: string) => {
      const counts = await Promise.all(channels.map(channel => publisher.publish(channel, text)))
      expect(counts).toEqual(channels.map(() => 1))
      await eventually(() => expect(messages).toHaveLength(1_000))
      expect(messages.splice(0)).toEqual(channels.map(channel => [channel, text]))
    }
    await publish('before')
    redis.disconnect(true)
    await next(redis, 'ready')
    await eventually(async () => expect(await publisher.pubsub('CHANNELS')).toHaveLength(1_000))
    await publish('after')
    expect(await redis.unsubscribe()).toBe(0)
  })

  it('is possible one by one, a thousand times at once', async () => {
    const redis = client()
    const counts = await Promise.all(Array.from({ length: 1_000 }, (_, i) => redis.subscribe(`channel ${i}`)))
    expect(counts).toEqual(counts.map((_, i) => i + 1))
  })
})

describeBoth('messages', ({ Redis }) => {
  const client = (more: object = {}) => kept(new Redis({ port: server.port, host: server.host, ...more }))

  it.each(protocols)('come as text and as bytes, under protocol %i', async protocol => {
    const redis = client({ protocol })
    const messages = messagesOf(redis)
    await redis.subscribe('news')
    await redis.psubscribe('n*')
    await redis.ssubscribe('shard')
    expect(await server.command('PUBLISH', 'news', 'héllo')).toBe(2)
    expect(await server.command('SPUBLISH', 'shard', 'there')).toBe(1)
    await eventually(() => expect(messages).toHaveLength(6))
    const [news, hello] = [Buffer.from('news'), Buffer.from('héllo')]
    expect(messages).toEqual([
      ['message', 'news', 'héllo'],
      ['messageBuffer', news, hello],
      ['pmessage', 'n*', 'news', 'héllo'],
      // The pattern is text even here.
      ['pmessageBuffer', 'n*', news, hello],
      ['smessage', 'shard', 'there'],
      ['smessageBuffer', Buffer.from('shard'), Buffer.from('there')],
    ])
  })

  it.each(protocols)('may be empty, under protocol %i', async protocol => {
    const redis = client({ protocol })
    const messages = messagesOf(redis)
    await redis.subscribe('c')
    await server.command('PUBLISH', 'c', '')
    await eventually(() => expect(messages).toHaveLength(2))
    expect(messages).toEqual([
      ['message', 'c', ''],
      ['messageBuffer', Buffer.from('c'), Buffer.alloc(0)],
    ])
  })

  it.each(protocols)('and channels may be any bytes, under protocol %i', async protocol => {
    const redis = client({ protocol })
    const messages = messagesOf(redis)
    const [channel, payload] = [Buffer.from([0, 255, 13, 10, 128]), Buffer.from([10, 13, 0, 254])]
    expect(await redis.subscribe(channel)).toBe(1)
    expect(await redis.ssubscribe(channel)).toBe(1)
    expect(await server.command('PUBLISH', channel, payload)).toBe(1)
    expect(await server.command('SPUBLISH', channel, payload)).toBe(1)
    await eventually(() => expect(messages).toHaveLength(4))
    expect(messages).toEqual([
      ['message', channel.toString(), payload.toString()],
      ['messageBuffer', channel, payload],
      ['smessage', channel.toString(), payload.toString()],
      ['smessageBuffer', channel, payload],
    ])
    expect(await redis.unsubscribe(channel)).toBe(0)
    expect(await server.command('PUBLISH', channel, payload)).toBe(0)
  })

  it('come in the order they were published, also in one piece', async () => {
    const redis = client()
    const texts: string[] = []
    redis.on('message', (_: string, text: string) => texts.push(text))
    await redis.subscribe('c')
    const publisher = client()
    await publisher.pipeline(Array.from({ length: 500 }, (_, i) => ['publish', 'c', String(i)])).exec()
    await eventually(() => expect(texts).toHaveLength(500))
    expect(texts).toEqual(Array.from({ length: 500 }, (_, i) => String(i)))
  })

  it('may be many mebibytes', async () => {
    const redis = client()
    const heard = next(redis, 'messageBuffer')
    const size = new Promise<number>(resolve => {
      redis.on('messageBuffer', (_: Buffer, bytes: Buffer) => resolve(bytes.length))
    })
    await redis.subscribe('c')
    await client().publish('c', Buffer.alloc(4 << 20, 'x'))
    await heard
    expect(await size).toBe(4 << 20)
  })

  it('do not come any more after unsubscribing', async () => {
    const redis = client()
    const messages = messagesOf(redis)
    await redis.subscribe('a', 'b')
    await redis.unsubscribe('a')
    expect(await server.command('PUBLISH', 'a', 'unheard')).toBe(0)
    await server.command('PUBLISH', 'b', 'heard')
    await eventually(() => expect(messages[0]).toEqual(['message', 'b', 'heard']))
  })

  it('may be answered in their listener, under protocol 3', async () => {
    const redis = client()
    const answered = new Promise(resolve => {
      redis.on('message', async (channel: string, text: string) => {
        await redis.unsubscribe(channel)
        resolve(await redis.echo(text))
      })
    })
    await redis.subscribe('c')
    await server.command('PUBLISH', 'c', 'echo me')
    expect(await answered).toBe('echo me')
  })
})

describeBoth('a key prefix', ({ Redis }) => {
  it('is for shard channels, and not for channels and patterns', async () => {
    const redis = kept(new Redis({ port: server.port, host: server.host, keyPrefix: 'p:' }))
    const messages = messagesOf(redis)
    await redis.subscribe('c')
    await redis.psubscribe('c*')
    await redis.ssubscribe('s')
    expect(await redis.publish('c', 'one')).toBe(2)
    expect(await redis.spublish('s', 'two')).toBe(1)
    await eventually(() => expect(messages).toHaveLength(6))
    expect(messages.filter(([name]) => !(name as string).endsWith('Buffer'))).toEqual([
      ['message', 'c', 'one'],
      ['pmessage', 'c*', 'c', 'one'],
      ['smessage', 'p:s', 'two'],
    ])
    expect(await redis.sunsubscribe('s')).toBe(0)
  })
})

describeBoth('a subscriber', ({ Redis }) => {
  const client = (more: object = {}) => kept(new Redis({ port: server.port, host: server.host, ...more }))

  it('under protocol 2 takes no other commands', async () => {
    const redis = client({ protocol: 2 })
    await redis.subscribe('c')
    expect(redis.mode).toBe('subscriber')
    for (const name of ['get', 'publish', 'select', 'info', 'multi']) {
      expect(await failureOf(redis.call(name, 'k')), name).toMatchObject(subscriberOnly)
    }
    expect(await redis.pipeline().get('k').exec()).toEqual([[expect.objectContaining(subscriberOnly)]])
    expect(await failureOf(redis.multi().get('k').exec())).toMatchObject(subscriberOnly)
    const back = await new Promise(resolve => redis.get('k', (...args: unknown[]) => resolve(args)))
    expect(back).toEqual([expect.objectContaining(subscriberOnly)])
    expect(await redis.subscribe('d')).toBe(2)
    expect(redis.status).toBe('ready')
  })

  it('under protocol 2 is one for what is asked before the server has answered, and no longer', async () => {
    const redis = client({ protocol: 2 })
    await next(redis, 'ready')
    // Sent in the same turn: the connection is no subscriber's yet, as far as the client knows.
    const [got, subscribed] = [redis.get('nothing there'), redis.subscribe('c')]
    expect(await got).toBeNull()
    expect(await subscribed).toBe(1)
    expect(redis.mode).toBe('subscriber')
    expect(await redis.unsubscribe('c')).toBe(0)
    expect(redis.mode).toBe('normal')
    expect(await redis.get('nothing there')).toBeNull()
  })

  it('under protocol 2 is one while there is any channel, pattern or shard channel', async () => {
    const redis = client({ protocol: 2 })
    await redis.subscribe('c')
    await redis.psubscribe('p*')
    expect(await redis.unsubscribe('c')).toBe(1)
    expect(redis.mode).toBe('subscriber')
    expect(await failureOf(redis.get('k'))).toMatchObject(subscriberOnly)
    expect(await redis.punsubscribe('p*')).toBe(0)
    expect(redis.mode).toBe('normal')
    await redis.ssubscribe('s')
    expect(redis.mode).toBe('subscriber')
    expect(await redis.sunsubscribe('s')).toBe(0)
    expect(redis.mode).toBe('normal')
  })

  it('under protocol 2 may ping, and is answered in the shape of that mode', async () => {
    const redis = client({ protocol: 2 })
    expect(await redis.ping()).toBe('PONG')
    await redis.subscribe('c')
    expect(await redis.ping()).toEqual(['pong', ''])
    expect(await redis.ping('text')).toEqual(['pong', 'text'])
    await redis.unsubscribe('c')
    expect(await redis.ping('text')).toBe('text')
  })

  it('under protocol 3 takes every command, and hears what it publishes', async () => {
    const redis = client()
    const messages = messagesOf(redis)
    await redis.subscribe('c')
    expect(redis.mode).toBe('normal')
    expect(await redis.ping()).toBe('PONG')
    expect(await redis.set('k', 'v')).toBe('OK')
    expect(await redis.get('k')).toBe('v')
    expect(await redis.publish('c', 'to myself')).toBe(1)
    await eventually(() => expect(messages[0]).toEqual(['message', 'c', 'to myself']))
    expect(await redis.select(0)).toBe('OK')
  })

  it('under protocol 3 takes replies for replies, whatever they look like', async () => {
    const redis = client()
    const messages = messagesOf(redis)
    await redis.subscribe('c')
    await redis.del('list')
    await redis.rpush('list', 'message', 'c', 'not one')
    expect(await redis.lrange('list', 0, -1)).toEqual(['message', 'c', 'not one'])
    expect(messages).toEqual([])
  })

  it('under protocol 3 takes other pushes for nothing', async () => {
    const redis = client()
    await redis.subscribe('c')
    await redis.client('TRACKING', 'ON')
    await redis.set('tracked', 1)
    expect(await redis.get('tracked')).toBe('1')
    await server.command('SET', 'tracked', '2')
    expect(await redis.get('tracked')).toBe('2')
    expect(redis.commandQueue.length).toBe(0)
    expect(redis.status).toBe('ready')
  })

  it.each(protocols)('may quit, under protocol %i', async protocol => {
    const redis = client({ protocol })
    await redis.subscribe('c')
    expect(await redis.quit()).toBe('OK')
    await eventually(() => expect(redis.status).toBe('end'))
    expect(await failureOf(redis.subscribe('d'))).toMatchObject({ message: 'Connection is closed.' })
  })

  it('that is refused is none', async () => {
    const guarded = await LocalServer.start({ users: { default: 'on nopass ~* +@all resetchannels &mine' } })
    servers.push(guarded)
    const redis = kept(new Redis({ port: guarded.port, host: guarded.host, protocol: 2 }))
    expect(await failureOf(redis.subscribe('other'))).toMatchObject({
      name: 'ReplyError',
      message: expect.stringMatching(/^NOPERM /),
      command: { name: 'subscribe', args: ['other'] },
    })
    expect(redis.mode).toBe('normal')
    expect(await redis.subscribe('mine')).toBe(1)
  })
})

describeBoth('a subscriber that reconnects', ({ Redis }) => {
  const client = (more: object = {}) =>
    kept(new Redis({ port: server.port, host: server.host, retryStrategy: () => 5, ...more }))

  it.each(protocols)('is subscribed again to what it was, under protocol %i', async protocol => {
    const redis = client({ protocol, db: 2 })
    const messages = messagesOf(redis)
    await redis.subscribe('a', 'b', 'gone')
    await redis.psubscribe('p*', 'gone*')
    await redis.ssubscribe('s', 't', 'gone')
    await redis.unsubscribe('gone')
    await redis.punsubscribe('gone*')
    await redis.sunsubscribe('gone')
    redis.disconnect(true)
    await next(redis, 'ready')
    await eventually(async () => {
      expect(await server.command('PUBSUB', 'CHANNELS')).toHaveLength(2)
      expect(await server.command('PUBSUB', 'NUMPAT')).toBe(1)
      expect(await server.command('PUBSUB', 'SHARDCHANNELS')).toHaveLength(2)
    })
    expect(redis.mode).toBe(protocol === 2 ? 'subscriber' : 'normal')
    for (const channel of ['a', 'b', 'pat']) await server.command('PUBLISH', channel, 'again')
    for (const channel of ['s', 't']) await server.command('SPUBLISH', channel, 'again')
    await eventually(() => expect(messages).toHaveLength(10))
    expect(messages.filter(([name]) => !(name as string).endsWith('Buffer'))).toEqual([
      ['message', 'a', 'again'],
      ['message', 'b', 'again'],
      ['pmessage', 'p*', 'pat', 'again'],
      ['smessage', 's', 'again'],
      ['smessage', 't', 'again'],
    ])
    // The counts go on where they were.
    expect(await redis.subscribe('c')).toBe(4)
  })

  it('sends one SUBSCRIBE, one PSUBSCRIBE, and an SSUBSCRIBE each', async () => {
    const counts = new Map<string, number>()
    const one = await startScripted(([name, ...channels]) => {
      if (name === 'INFO') return bulk('loading:0\r\n')
      if (!/^[PS]?S?UBSCRIBE$/.test(name!) && name !== 'SUBSCRIBE') return undefined
      counts.set(name!, 0)
      return channels
        .map((channel, i) => array([bulk(name!.toLowerCase()), bulk(channel), `:${i + 1}\r\n`]).replace('*', '>'))
        .join('')
    })
    servers.push(one)
    const redis = kept(new Redis({ port: one.port, retryStrategy: () => 1 }))
    await redis.subscribe('a')
    await redis.subscribe('b')
    await redis.psubscribe('p*', 'q*')
    await redis.ssubscribe('s', 't')
    const before = one.commands.length
    one.cutAll()
    await next(redis, 'ready')
    await eventually(() => expect(one.count('SSUBSCRIBE')).toBe(3))
    const lines = one.commands.slice(before).map(words => words.join(' '))
    expect(lines.slice(lines.indexOf('INFO') + 1)).toEqual([
      'SUBSCRIBE a b',
      'PSUBSCRIBE p* q*',
      'SSUBSCRIBE s',
      'SSUBSCRIBE t',
    ])
  })

  it('is not on request', async () => {
    const redis = client({ autoResubscribe: false, protocol: 2 })
    const messages = messagesOf(redis)
    await redis.subscribe('a')
    await redis.psubscribe('a*')
    redis.disconnect(true)
    await next(redis, 'ready')
    expect(redis.mode).toBe('normal')
    expect(await redis.ping()).toBe('PONG')
    expect(await server.command('PUBLISH', 'a', 'unheard')).toBe(0)
    expect(await redis.subscribe('b')).toBe(1)
    expect(messages).toEqual([])
  })

  it('is subscribed again after it was ended and connected anew', async () => {
    const redis = client()
    const messages = messagesOf(redis)
    await redis.subscribe('a')
    redis.disconnect()
    await next(redis, 'end')
    await redis.connect()
    await eventually(async () => expect(await server.command('PUBLISH', 'a', 'again')).toBe(1))
    await eventually(() => expect(messages[0]).toEqual(['message', 'a', 'again']))
  })

  it('is subscribed again after the server was restarted', async () => {
    const own = await LocalServer.start()
    servers.push(own)
    const redis = kept(new Redis({ port: own.port, host: own.host, retryStrategy: () => 20 }))
    redis.options.maxRetriesPerRequest = null
    const messages = messagesOf(redis)
    await redis.subscribe('a')
    await redis.psubscribe('b*')
    await own.kill()
    await eventually(() => expect(redis.status).not.toBe('ready'))
    const late = redis.subscribe('late')
    await own.restart()
    expect(await late).toBe(3)
    for (const channel of ['a', 'bee', 'late']) expect(await own.command('PUBLISH', channel, 'again')).toBe(1)
    await eventually(() => expect(messages).toHaveLength(6))
    expect(messages.filter(([name]) => !(name as string).endsWith('Buffer'))).toEqual([
      ['message', 'a', 'again'],
      ['pmessage', 'b*', 'bee', 'again'],
      ['message', 'late', 'again'],
    ])
  })

  it('is subscribed again as often as it must be', async () => {
    const redis = client()
    await redis.subscribe('a')
    for (let i = 0; i < 5; i++) {
      redis.disconnect(true)
      await next(redis, 'ready')
      await eventually(async () => expect(await server.command('PUBLISH', 'a', 'x')).toBe(1))
    }
  })
})
