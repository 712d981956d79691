// Scan streams: SCAN and its kin as readable streams of arrays.

import { once } from 'node:events'
import { Readable } from 'node:stream'
import { array, bulk, type FakeServer } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { startScripted } from '../support/scripted.js'
import { describeBoth, type Untyped } from './support/both.js'

let server: LocalServer

beforeAll(async () => {
  // Hashes, sets and sorted sets this small would be scanned in one go, whatever COUNT says.
  server = await LocalServer.start({
    config: { 'hash-max-listpack-entries': '0', 'zset-max-listpack-entries': '0', 'set-max-intset-entries': '0' },
  })
})

afterAll(() => server.stop())

const numbers = (length: number) => Array.from({ length }, (_, i) => i)

async function failure(call: Promise<unknown>): Promise<Untyped> {
  const outcome = await call.then(
    value => ({ value }),
    error => ({ error }),
  )
  if ('value' in outcome) throw new Error(`It resolved with ${JSON.stringify(outcome.value)}`)
  return outcome.error
}

async function chunksOf(stream: Untyped): Promise<Untyped[]> {
  const chunks: Untyped[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

async function itemsOf(stream: Untyped): Promise<Untyped[]> {
  return (await chunksOf(stream)).flat()
}

describeBoth('scan streams', ({ Redis, module }) => {
  let made: Untyped[] = []
  let fakes: FakeServer[] = []
  let redis: Untyped

  function client(options: object = {}): Untyped {
    const one = new Redis({ host: server.host, port: server.port, ...options })
    made.push(one)
    return one
  }

  beforeEach(async () => {
    await server.command('FLUSHALL')
    redis = client()
  })

  afterEach(async () => {
    for (const one of made) one.disconnect()
    for (const fake of fakes) await fake.close()
    made = []
    fakes = []
  })

  it('give 10 000 keys, each at least once, in several arrays', async () => {
    await redis.mset(Object.fromEntries(numbers(10_000).map(i => [`key:${i}`, i])))
    const chunks = await chunksOf(redis.scanStream({ count: 500 }))
    expect(chunks.length).toBeGreaterThan(10)
    expect(chunks.every(Array.isArray)).toBe(true)
    expect(new Set(chunks.flat())).toEqual(new Set(numbers(10_000).map(i => `key:${i}`)))
  })

  it('give arrays to listeners of data, and end', async () => {
    await redis.mset(Object.fromEntries(numbers(100).map(i => [`key:${i}`, i])))
    const stream = redis.scanStream()
    const seen: unknown[] = []
    stream.on('data', (keys: unknown[]) => seen.push(...keys))
    await once(stream, 'end')
    expect(new Set(seen).size).toBe(100)
  })

  it('of nothing give one empty array, and end', async () => {
    expect(await chunksOf(redis.scanStream())).toEqual([[]])
    expect(await chunksOf(redis.hscanStream('none'))).toEqual([[]])
    expect(await chunksOf(redis.scanStream({ match: 'none*' }))).toEqual([[]])
  })

  it('are Readables in object mode, and ScanStreams', () => {
    for (const name of ['scan', 'sscan', 'hscan', 'zscan']) {
      for (const twin of ['', 'Buffer']) {
        const stream = redis[`${name}${twin}Stream`]('k')
        expect(stream, name).toBeInstanceOf(module.ScanStream)
        expect(stream).toBeInstanceOf(Readable)
        expect(stream.readableObjectMode).toBe(true)
        expect(typeof stream.close).toBe('function')
      }
    }
    expect(module.ScanStream.name).toBe('ScanStream')
  })

  it('keep what they were made with in opt', () => {
    const stream = redis.sscanStream('k', { match: 'm*', count: 5 })
    expect(stream.opt).toMatchObject({ objectMode: true, key: 'k', match: 'm*', count: 5, redis })
  })

  describe('options', () => {
    beforeEach(async () => {
      await redis.mset(Object.fromEntries(numbers(200).map(i => [`${i % 2 === 0 ? 'even' : 'odd'}:${i}`, i])))
      await redis.sadd('even:set', 1)
    })

    it('match', async () => {
      const keys = await itemsOf(redis.scanStream({ match: 'odd:*' }))
      expect(new Set(keys)).toEqual(
        new Set(
          numbers(200)
            .filter(i => i % 2 === 1)
            .map(i => `odd:${i}`),
        ),
      )
    })

    it('count', async () => {
      expect((await chunksOf(redis.scanStream({ count: 1000 }))).length).toBe(1)
      expect((await chunksOf(redis.scanStream({ count: '10' }))).length).toBeGreaterThan(5)
    })

    it('type', async () => {
      expect(new Set(await itemsOf(redis.scanStream({ type: 'set' })))).toEqual(new Set(['even:set']))
      expect(new Set(await itemsOf(redis.scanStream({ type: 'string', match: 'even:*' }))).size).toBe(100)
    })
  })

  describe('of one key', () => {
    it('sscanStream gives members', async () => {
      await redis.sadd('s', numbers(1000))
      const members = await itemsOf(redis.sscanStream('s', { count: 50 }))
      expect(new Set(members)).toEqual(new Set(numbers(1000).map(String)))
      const matching = await itemsOf(redis.sscanStream('s', { match: '99*' }))
      expect(new Set(matching)).toEqual(new Set(['99', ...numbers(10).map(i => `99${i}`)]))
    })

    it('hscanStream gives fields and values, one after the other', async () => {
      await redis.hset('h', Object.fromEntries(numbers(1000).map(i => [`f${i}`, i])))
      const chunks = await chunksOf(redis.hscanStream('h', { count: 50 }))
      expect(chunks.length).toBeGreaterThan(5)
      const found: Record<string, string> = {}
      for (const chunk of chunks) {
        expect(chunk.length % 2).toBe(0)
        for (let i = 0; i < chunk.length; i += 2) found[chunk[i]] = chunk[i + 1]
      }
      expect(found).toEqual(Object.fromEntries(numbers(1000).map(i => [`f${i}`, String(i)])))
    })

    it('zscanStream gives members and scores, one after the other, as text', async () => {
      await redis.zadd('z', ...numbers(300).flatMap(i => [i + 0.5, `m${i}`]))
      for (const options of [{ protocol: 2 }, { protocol: 3 }, { replyMapping: 'resp3' }]) {
        const items = await itemsOf(client(options).zscanStream('z'))
        const found: Record<string, unknown> = {}
        for (let i = 0; i < items.length; i += 2) found[items[i]] = items[i + 1]
        expect(found).toEqual(Object.fromEntries(numbers(300).map(i => [`m${i}`, String(i + 0.5)])))
      }
    })

    it('have Buffer twins', async () => {
      const bytes = Buffer.from([0, 255, 13, 10])
      await redis.set(bytes, 1)
      expect(await chunksOf(redis.scanBufferStream())).toEqual([[bytes]])
      await redis.sadd('s', bytes)
      expect(await chunksOf(redis.sscanBufferStream('s'))).toEqual([[bytes]])
      await redis.hset('h', bytes, bytes)
      expect(await chunksOf(redis.hscanBufferStream('h', { match: '*' }))).toEqual([[bytes, bytes]])
      await redis.zadd('z', 1.5, bytes)
      expect(await chunksOf(redis.zscanBufferStream('z', { count: 5 }))).toEqual([[bytes, Buffer.from('1.5')]])
    })

    it('takes a Buffer for the key', async () => {
      const key = Buffer.from([255, 254])
      await redis.sadd(key, 'm')
      expect(await chunksOf(redis.sscanStream(key))).toEqual([['m']])
    })
  })

  describe('on the wire', () => {
    /** A server that hands out these cursors one after the other. */
    async function cursors(...texts: string[]): Promise<{ fake: FakeServer; sent: () => string[][] }> {
      let asked = 0
      const fake = await startScripted(([name]) => {
        if (!name?.endsWith('SCAN')) return undefined
        const at = asked++
        return array([bulk(texts[at % texts.length] as string), array([bulk(`item${at}`)])])
      })
      fakes.push(fake)
      return { fake, sent: () => fake.commands.filter(([name]) => name?.endsWith('SCAN')) }
    }

    const to = (fake: FakeServer, options: object = {}) =>
      client({ port: fake.port, enableReadyCheck: false, ...options })

    it('go on with the cursor the server gave, as text, until it is 0', async () => {
      const { fake, sent } = await cursors('18446744073709551615', '7', '0')
      expect(await chunksOf(to(fake).scanStream())).toEqual([['item0'], ['item1'], ['item2']])
      expect(sent()).toEqual([
        ['SCAN', '0'],
        ['SCAN', '18446744073709551615'],
        ['SCAN', '7'],
      ])
    })

    it('the Buffer twins, too', async () => {
      const { fake, sent } = await cursors('18446744073709551615', '0')
      expect((await itemsOf(to(fake).hscanBufferStream('k'))).map(String)).toEqual(['item0', 'item1'])
      expect(sent()).toEqual([
        ['HSCAN', 'k', '0'],
        ['HSCAN', 'k', '18446744073709551615'],
      ])
    })

    it('have their options in an order of their own, each time', async () => {
      const { fake, sent } = await cursors('1', '0')
      await itemsOf(to(fake).scanStream({ count: 5, type: 'string', match: 'm*' }))
      expect(sent()).toEqual([
        ['SCAN', '0', 'MATCH', 'm*', 'TYPE', 'string', 'COUNT', '5'],
        ['SCAN', '1', 'MATCH', 'm*', 'TYPE', 'string', 'COUNT', '5'],
      ])
    })

    it('have NOVALUES last', async () => {
      const { fake, sent } = await cursors('0')
      await itemsOf(to(fake).hscanStream('k', { match: 'm*', count: 5, noValues: true }))
      expect(sent()).toEqual([['HSCAN', 'k', '0', 'MATCH', 'm*', 'COUNT', '5', 'NOVALUES']])
    })

    it('leave out options that say nothing', async () => {
      const { fake, sent } = await cursors('0')
      await itemsOf(to(fake).scanStream({ match: '', count: 0, type: undefined }))
      expect(sent()).toEqual([['SCAN', '0']])
    })

    it('have the prefix on their key, but not on their pattern', async () => {
      const { fake, sent } = await cursors('0')
      const prefixed = to(fake, { keyPrefix: 'p:' })
      await itemsOf(prefixed.sscanStream('k', { match: 'm*' }))
      await itemsOf(prefixed.scanStream({ match: 'm*' }))
      expect(sent()).toEqual([
        ['SSCAN', 'p:k', '0', 'MATCH', 'm*'],
        ['SCAN', '0', 'MATCH', 'm*'],
      ])
    })

    it('ask no more than somebody reads', async () => {
      const { fake, sent } = await cursors('1')
      const one = to(fake)
      const stream = one.scanStream({ highWaterMark: 1 })
      await once(stream, 'readable')
      await one.ping()
      expect(sent()).toHaveLength(1)
      expect(stream.read()).toEqual(['item0'])
      await once(stream, 'readable')
      await one.ping()
      expect(sent()).toHaveLength(2)
    })

    it('ask nothing before somebody reads', async () => {
      const { fake, sent } = await cursors('0')
      const one = to(fake)
      const stream = one.scanStream()
      await one.ping()
      expect(sent()).toEqual([])
      expect(await itemsOf(stream)).toEqual(['item0'])
    })

    it('close() ends them after the array that is under way', async () => {
      const { fake, sent } = await cursors('1')
      const stream = to(fake).scanStream({ highWaterMark: 1 })
      const seen: unknown[] = []
      stream.on('data', (items: unknown) => {
        seen.push(items)
        stream.close()
      })
      await once(stream, 'end')
      expect(seen.length).toBeLessThanOrEqual(2)
      expect(seen[0]).toEqual(['item0'])
      expect(sent()).toHaveLength(seen.length)
    })

    it('close() before anything was read ends them without a question', async () => {
      const { fake, sent } = await cursors('1')
      const stream = to(fake).scanStream()
      stream.close()
      expect(await chunksOf(stream)).toEqual([])
      expect(sent()).toEqual([])
    })

    it('leaving a loop over them stops them', async () => {
      const { fake } = await cursors('1')
      const one = to(fake)
      const stream = one.scanStream()
      for await (const items of stream) {
        expect(items).toEqual(['item0'])
        break
      }
      expect(stream.destroyed).toBe(true)
      // Whatever was under way is answered by then.
      await one.ping()
    })
  })

  describe('errors', () => {
    it('come as an error event, and reject a loop', async () => {
      await redis.set('s', 'x')
      const stream = redis.hscanStream('s')
      stream.resume()
      const [error] = await once(stream, 'error')
      expect(error).toBeInstanceOf(module.ReplyError)
      expect(error.message).toBe('WRONGTYPE Operation against a key holding the wrong kind of value')
      expect(error.command).toEqual({ name: 'hscan', args: ['s', '0'] })
      expect(await failure(chunksOf(redis.sscanStream('s')))).toMatchObject({ message: error.message })
    })

    it('come after the end of the client', async () => {
      await redis.ping()
      redis.disconnect()
      await once(redis, 'end')
      expect((await failure(chunksOf(redis.scanStream()))).message).toBe('Connection is closed.')
    })
  })

  it('may be made by the constructor', async () => {
    await redis.sadd('s', 'a')
    const stream = new module.ScanStream({ objectMode: true, redis, command: 'sscan', key: 's', count: 10 })
    expect(await chunksOf(stream)).toEqual([['a']])
  })

  it('may be several at once on one client', async () => {
    await redis.sadd('a', numbers(500))
    await redis.sadd('b', numbers(700))
    const [a, b] = await Promise.all([itemsOf(redis.sscanStream('a')), itemsOf(redis.sscanStream('b'))])
    expect([new Set(a).size, new Set(b).size]).toEqual([500, 700])
  })
})
