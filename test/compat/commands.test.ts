// Commands: how they are called, what stands on the wire, and the shape of what comes back.

import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { bulk, type FakeServer } from 'slotwise/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { startScripted } from '../support/scripted.js'
import { eventually } from '../support/settled.js'
import { describeBoth, type Untyped } from './support/both.js'

let server: LocalServer

beforeAll(async () => {
  server = await LocalServer.start()
})

afterAll(() => server.stop())

/** Where the first command of the bytes ends; -1 when it is not all there. */
function commandEnd(bytes: string): number {
  let end = bytes.indexOf('\r\n') + 2
  if (end === 1) return -1
  const words = Number(bytes.slice(1, end))
  for (let i = 0; i < words; i++) {
    const lengthEnd = bytes.indexOf('\r\n', end)
    if (lengthEnd === -1) return -1
    end = lengthEnd + 2 + Number(bytes.slice(end + 1, lengthEnd)) + 2
  }
  return end <= bytes.length ? end : -1
}

/** A fake server that keeps the bytes of every command, letter by letter, and says `+OK` to all of them. */
class Recorder {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #text = ''

  constructor() {
    this.#server = createServer(socket => {
      this.#sockets.add(socket)
      socket.setEncoding('latin1')
      socket.on('error', () => undefined)
      let rest = ''
      socket.on('data', (chunk: string) => {
        this.#text += chunk
        rest += chunk
        for (let end = commandEnd(rest); end !== -1; end = commandEnd(rest)) {
          rest = rest.slice(end)
          socket.write('+OK\r\n')
        }
      })
    })
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** What has arrived since the last call. */
  take(): string {
    const text = this.#text
    this.#text = ''
    return text
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

/** The bytes of one command, words given as latin1 text. */
const frame = (...words: string[]) =>
  `*${words.length}\r\n${words.map(word => `$${word.length}\r\n${word}\r\n`).join('')}`

const utf8 = (text: string) => Buffer.from(text).toString('latin1')

/** What the Buffer twin gives where the plain method gives `value`: every string a Buffer, everything else as it is. */
function buffered(value: unknown): unknown {
  if (typeof value === 'string') return Buffer.from(value)
  if (Array.isArray(value)) return value.map(buffered)
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, buffered(item)]))
  }
  return value
}

type Call = [method: string, ...args: unknown[]]

interface Row {
  /** Run before, each on a server that holds nothing. */
  before?: Call[]
  call: Call
  gives: unknown
}

const stream: Call = ['xadd', 's', '1-1', 'f', 'v', 'g', 'w']
const zset: Call = ['zadd', 'z', 1, 'a', 2.5, 'b', '+inf', 'c']
const hash: Call = ['hset', 'h', 'f', 1, 'g', 'two']
const list: Call = ['rpush', 'l', 'a', 'b', 'c']
const set: Call = ['sadd', 't', 'a']
const sicily: Call = ['geoadd', 'g', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania']

const rows: Row[] = [
  // strings
  { call: ['set', 'k', 'v'], gives: 'OK' },
  { call: ['set', 'k', 'v', 'NX'], gives: 'OK' },
  { before: [['set', 'k', 'v']], call: ['set', 'k', 'v', 'NX'], gives: null },
  { before: [['set', 'k', 'v']], call: ['set', 'k', 'w', 'GET'], gives: 'v' },
  { call: ['get', 'k'], gives: null },
  { before: [['set', 'k', 'grüße ✓']], call: ['get', 'k'], gives: 'grüße ✓' },
  { before: [['set', 'k', '']], call: ['get', 'k'], gives: '' },
  { before: [['set', 'k', 'v']], call: ['getset', 'k', 'w'], gives: 'v' },
  { before: [['set', 'k', 'v']], call: ['getdel', 'k'], gives: 'v' },
  { before: [['set', 'k', 'hello']], call: ['getrange', 'k', 1, -2], gives: 'ell' },
  { before: [['set', 'k', 'v']], call: ['append', 'k', 'w'], gives: 2 },
  { call: ['incr', 'n'], gives: 1 },
  { call: ['decrby', 'n', 7], gives: -7 },
  { before: [['set', 'n', 10.5]], call: ['incrbyfloat', 'n', '0.1'], gives: '10.6' },
  { before: [['set', 'a', 1]], call: ['mget', 'a', 'b'], gives: ['1', null] },
  { call: ['mset', 'a', 1, 'b', 2], gives: 'OK' },
  { call: ['setex', 'a', 10, 'x'], gives: 'OK' },
  { before: [['set', 'k', 'v']], call: ['setrange', 'k', 3, 'x'], gives: 4 },
  { before: [['setrange', 'k', 2, 'x']], call: ['get', 'k'], gives: '\0\0x' },
  { before: [['mset', 'a', 'ohmytext', 'b', 'mynewtext']], call: ['lcs', 'a', 'b'], gives: 'mytext' },
  { before: [['mset', 'a', 'ohmytext', 'b', 'mynewtext']], call: ['lcs', 'a', 'b', 'LEN'], gives: 6 },
  // keys
  { before: [['mset', 'a', 1, 'b', 2]], call: ['del', 'a', 'b', 'c'], gives: 2 },
  { before: [['mset', 'a', 1, 'b', 2]], call: ['unlink', ['a', 'b']], gives: 2 },
  { before: [['set', 'a', 1]], call: ['exists', 'a', 'a', 'b'], gives: 2 },
  { before: [['set', 'a', 1]], call: ['expire', 'a', 100], gives: 1 },
  { call: ['ttl', 'a'], gives: -2 },
  { before: [['set', 'a', 1]], call: ['pttl', 'a'], gives: -1 },
  { before: [['set', 'a', 1]], call: ['persist', 'a'], gives: 0 },
  { before: [hash], call: ['type', 'h'], gives: 'hash' },
  { before: [['set', 'a', 1]], call: ['rename', 'a', 'b'], gives: 'OK' },
  { before: [['set', 'a', 1]], call: ['keys', '*'], gives: ['a'] },
  { before: [['set', 'a', 1]], call: ['randomkey'], gives: 'a' },
  { before: [['set', 'a', 1]], call: ['object', 'ENCODING', 'a'], gives: 'int' },
  { before: [['set', 'a', 1]], call: ['copy', 'a', 'b'], gives: 1 },
  { before: [['set', 'a', 1]], call: ['touch', 'a', 'b'], gives: 1 },
  { before: [['set', 'a', 1]], call: ['dbsize'], gives: 1 },
  { before: [['set', 'a', 1]], call: ['scan', 0, 'COUNT', 100], gives: ['0', ['a']] },
  { before: [['rpush', 'l', 3, 1, 2]], call: ['sort', 'l', 'DESC'], gives: ['3', '2', '1'] },
  { call: ['flushall'], gives: 'OK' },
  // hashes
  { call: ['hset', 'h', 'f', 1, 'g', 2], gives: 2 },
  { before: [hash], call: ['hget', 'h', 'g'], gives: 'two' },
  { before: [hash], call: ['hgetall', 'h'], gives: { f: '1', g: 'two' } },
  { call: ['hgetall', 'h'], gives: {} },
  { before: [hash], call: ['hmget', 'h', ['f', 'x']], gives: ['1', null] },
  { before: [hash], call: ['hkeys', 'h'], gives: ['f', 'g'] },
  { before: [hash], call: ['hvals', 'h'], gives: ['1', 'two'] },
  { before: [hash], call: ['hlen', 'h'], gives: 2 },
  { before: [hash], call: ['hdel', 'h', 'f', 'x'], gives: 1 },
  { before: [hash], call: ['hexists', 'h', 'x'], gives: 0 },
  { before: [hash], call: ['hincrby', 'h', 'f', 4], gives: 5 },
  { before: [hash], call: ['hincrbyfloat', 'h', 'f', 0.25], gives: '1.25' },
  { before: [hash], call: ['hstrlen', 'h', 'g'], gives: 3 },
  { before: [hash], call: ['hscan', 'h', '0'], gives: ['0', ['f', '1', 'g', 'two']] },
  { before: [['hset', 'h', 'f', 1]], call: ['hrandfield', 'h'], gives: 'f' },
  { call: ['hrandfield', 'h'], gives: null },
  // lists
  { call: ['lpush', 'l', 'a', 'b'], gives: 2 },
  { before: [list], call: ['lrange', 'l', 0, -1], gives: ['a', 'b', 'c'] },
  { call: ['lrange', 'l', 0, -1], gives: [] },
  { before: [list], call: ['lpop', 'l'], gives: 'a' },
  { before: [list], call: ['rpop', 'l', 2], gives: ['c', 'b'] },
  { before: [list], call: ['lindex', 'l', 9], gives: null },
  { before: [list], call: ['linsert', 'l', 'BEFORE', 'b', 'x'], gives: 4 },
  { before: [list], call: ['lmove', 'l', 'm', 'LEFT', 'RIGHT'], gives: 'a' },
  { before: [list], call: ['lpos', 'l', 'c'], gives: 2 },
  { before: [list], call: ['lpos', 'l', 'x', 'COUNT', 2], gives: [] },
  { before: [list], call: ['blpop', 'x', 'l', 0], gives: ['l', 'a'] },
  { before: [list], call: ['lmpop', 2, 'x', 'l', 'LEFT', 'COUNT', 2], gives: ['l', ['a', 'b']] },
  { call: ['lmpop', 1, 'x', 'LEFT'], gives: null },
  { call: ['blpop', 'x', 0.01], gives: null },
  // sets
  { call: ['sadd', 't', 'a', 'b', 'a'], gives: 2 },
  { before: [set], call: ['smembers', 't'], gives: ['a'] },
  { before: [set], call: ['sismember', 't', 'a'], gives: 1 },
  { before: [set], call: ['smismember', 't', 'a', 'b'], gives: [1, 0] },
  { before: [set], call: ['spop', 't'], gives: 'a' },
  { before: [set], call: ['srandmember', 't', 5], gives: ['a'] },
  { before: [set], call: ['sinter', 't', 'x'], gives: [] },
  { before: [set], call: ['sunionstore', 'u', 't', 'x'], gives: 1 },
  { before: [set], call: ['sintercard', 1, 't'], gives: 1 },
  { before: [set], call: ['sscan', 't', 0], gives: ['0', ['a']] },
  // sorted sets
  { call: ['zadd', 'z', 1, 'a', 2, 'b'], gives: 2 },
  { before: [zset], call: ['zscore', 'z', 'b'], gives: '2.5' },
  { before: [zset], call: ['zscore', 'z', 'c'], gives: 'inf' },
  { call: ['zscore', 'z', 'b'], gives: null },
  { before: [zset], call: ['zmscore', 'z', 'a', 'x'], gives: ['1', null] },
  { before: [zset], call: ['zincrby', 'z', 0.5, 'a'], gives: '1.5' },
  { before: [zset], call: ['zadd', 'z', 'INCR', 1, 'a'], gives: '2' },
  { before: [zset], call: ['zadd', 'z', 'XX', 'INCR', 1, 'x'], gives: null },
  { before: [zset], call: ['zrange', 'z', 0, -1], gives: ['a', 'b', 'c'] },
  { before: [zset], call: ['zrange', 'z', 0, -1, 'WITHSCORES'], gives: ['a', '1', 'b', '2.5', 'c', 'inf'] },
  { before: [zset], call: ['zrevrange', 'z', 0, 1, 'WITHSCORES'], gives: ['c', 'inf', 'b', '2.5'] },
  { before: [zset], call: ['zrangebyscore', 'z', '(1', 3, 'WITHSCORES'], gives: ['b', '2.5'] },
  { before: [zset], call: ['zrevrangebyscore', 'z', 2, 0, 'WITHSCORES'], gives: ['a', '1'] },
  { before: [zset], call: ['zrank', 'z', 'c'], gives: 2 },
  { before: [zset], call: ['zrank', 'z', 'x'], gives: null },
  { before: [zset], call: ['zpopmin', 'z'], gives: ['a', '1'] },
  { before: [zset], call: ['zpopmax', 'z', 2], gives: ['c', 'inf', 'b', '2.5'] },
  { call: ['zpopmin', 'z'], gives: [] },
  { before: [zset], call: ['bzpopmin', 'z', 0], gives: ['z', 'a', '1'] },
  {
    before: [zset],
    call: ['zmpop', 1, 'z', 'MIN', 'COUNT', 2],
    gives: [
      'z',
      [
        ['a', '1'],
        ['b', '2.5'],
      ],
    ],
  },
  { before: [zset], call: ['bzmpop', 1, 1, 'z', 'MAX'], gives: ['z', [['c', 'inf']]] },
  { call: ['zmpop', 1, 'z', 'MIN'], gives: null },
  { before: [zset], call: ['zdiff', 1, 'z', 'WITHSCORES'], gives: ['a', '1', 'b', '2.5', 'c', 'inf'] },
  {
    before: [zset],
    call: ['zinter', 2, 'z', 'z', 'WEIGHTS', 1, 2, 'WITHSCORES'],
    gives: ['a', '3', 'b', '7.5', 'c', 'inf'],
  },
  { before: [zset], call: ['zunion', 1, 'z'], gives: ['a', 'b', 'c'] },
  { before: [zset], call: ['zrandmember', 'z', 3], gives: expect.arrayContaining(['a']) },
  { before: [['zadd', 'z', 4, 'a']], call: ['zrandmember', 'z', 1, 'WITHSCORES'], gives: ['a', '4'] },
  { before: [zset], call: ['zscan', 'z', 0], gives: ['0', ['a', '1', 'b', '2.5', 'c', 'inf']] },
  { before: [zset], call: ['zcount', 'z', '-inf', '+inf'], gives: 3 },
  // streams
  { call: ['xadd', 's', '7-7', 'f', 'v'], gives: '7-7' },
  { call: ['xadd', 's', 'NOMKSTREAM', '*', 'f', 'v'], gives: null },
  { before: [stream], call: ['xrange', 's', '-', '+'], gives: [['1-1', ['f', 'v', 'g', 'w']]] },
  { before: [stream], call: ['xlen', 's'], gives: 1 },
  { before: [stream], call: ['xread', 'STREAMS', 's', 0], gives: [['s', [['1-1', ['f', 'v', 'g', 'w']]]]] },
  {
    before: [stream],
    call: ['xread', 'COUNT', 1, 'STREAMS', 's', 'x', 0, 0],
    gives: [['s', [['1-1', ['f', 'v', 'g', 'w']]]]],
  },
  { before: [stream], call: ['xread', 'BLOCK', 1, 'STREAMS', 's', '$'], gives: null },
  { before: [stream], call: ['xgroup', 'CREATE', 's', 'G', 0], gives: 'OK' },
  {
    before: [stream, ['xgroup', 'CREATE', 's', 'G', 0]],
    call: ['xreadgroup', 'GROUP', 'G', 'me', 'STREAMS', 's', '>'],
    gives: [['s', [['1-1', ['f', 'v', 'g', 'w']]]]],
  },
  { before: [stream, ['xgroup', 'CREATE', 's', 'G', 0]], call: ['xpending', 's', 'G'], gives: [0, null, null, null] },
  { before: [stream], call: ['xtrim', 's', 'MAXLEN', 0], gives: 1 },
  // bits, HyperLogLog, geo
  { call: ['setbit', 'k', 7, 1], gives: 0 },
  { before: [['set', 'k', 'a']], call: ['bitcount', 'k'], gives: 3 },
  { call: ['bitfield', 'k', 'INCRBY', 'u4', 0, 3, 'GET', 'u4', 0], gives: [3, 3] },
  { before: [['set', 'k', 'a']], call: ['bitop', 'NOT', 'x', 'k'], gives: 1 },
  { call: ['pfadd', 'p', 'a', 'b'], gives: 1 },
  { before: [['pfadd', 'p', 'a', 'b']], call: ['pfcount', 'p'], gives: 2 },
  { call: sicily, gives: 2 },
  { before: [sicily], call: ['geodist', 'g', 'Palermo', 'Catania'], gives: '166274.1516' },
  {
    before: [sicily],
    call: ['geopos', 'g', 'Palermo', 'x'],
    gives: [['13.36138933897018433', '38.11555639549629859'], null],
  },
  { before: [sicily], call: ['geohash', 'g', 'Palermo', 'x'], gives: ['sqc8b49rny0', null] },
  {
    before: [sicily],
    call: ['geosearch', 'g', 'FROMLONLAT', 15, 37, 'BYRADIUS', 200, 'km', 'ASC'],
    gives: ['Catania', 'Palermo'],
  },
  // scripts and functions
  { call: ['eval', 'return {KEYS[1],ARGV[1]}', 1, 'k', 'v'], gives: ['k', 'v'] },
  { call: ['eval', 'return {1,{2,"x",false,{}},"y"}', 0], gives: [1, [2, 'x', null, []], 'y'] },
  { call: ['eval', 'return redis.status_reply("FINE")', 0], gives: 'FINE' },
  { call: ['script', 'LOAD', 'return 1'], gives: 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db' },
  { call: ['script', 'EXISTS', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8dc'], gives: [0] },
  {
    call: ['function', 'LOAD', 'REPLACE', '#!lua name=mine\nredis.register_function("mine", function() return 5 end)'],
    gives: 'mine',
  },
  // the server
  { call: ['ping'], gives: 'PONG' },
  { call: ['ping', 'x'], gives: 'x' },
  { call: ['echo', 'x'], gives: 'x' },
  { call: ['publish', 'nobody', 'x'], gives: 0 },
  { call: ['pubsub', 'NUMSUB', 'a', 'b'], gives: ['a', 0, 'b', 0] },
  { call: ['role'], gives: ['master', 0, []] },
  { call: ['config', 'GET', 'maxmemory'], gives: ['maxmemory', '0'] },
  { call: ['client', 'GETNAME'], gives: null },
  { call: ['slowlog', 'LEN'], gives: expect.any(Number) },
  { call: ['command', 'COUNT'], gives: expect.any(Number) },
  { call: ['acl', 'WHOAMI'], gives: 'default' },
  { call: ['latency', 'LATEST'], gives: [] },
  { call: ['wait', 0, 0], gives: 0 },
]

/** Options of the clients whose replies are compared. */
const kinds = {
  'protocol 2': { protocol: 2 },
  'protocol 3': { protocol: 3 },
  'protocol 3, resp3': { protocol: 3, replyMapping: 'resp3' },
  'protocol 2, stringNumbers': { protocol: 2, stringNumbers: true },
  'protocol 3, stringNumbers': { protocol: 3, stringNumbers: true },
  'protocol 3, resp3, stringNumbers': { protocol: 3, replyMapping: 'resp3', stringNumbers: true },
} as const

/** What a test has collected while the listeners of the event that vitest put there were away. */
async function collecting(event: 'unhandledRejection' | 'uncaughtException', body: () => unknown): Promise<unknown[]> {
  const theirs = process.rawListeners(event)
  process.removeAllListeners(event)
  const seen: unknown[] = []
  process.on(event as 'uncaughtException', error => seen.push(error))
  try {
    await body()
    // Rejections nobody handles are told once the microtasks are through, a rethrown error comes by a timer.
    for (let i = 0; i < 3; i++) await new Promise(resolve => setTimeout(resolve, 0))
  } finally {
    process.removeAllListeners(event)
    for (const listener of theirs) process.on(event as 'uncaughtException', listener as () => void)
  }
  return seen
}

/** What the call rejects with. */
async function failure(call: Promise<unknown>): Promise<Untyped> {
  const outcome = await call.then(
    value => ({ value }),
    error => ({ error }),
  )
  if ('value' in outcome) throw new Error(`It resolved with ${JSON.stringify(outcome.value)}`)
  return outcome.error
}

describeBoth('commands', ({ Redis, module, deviates }) => {
  let made: Untyped[] = []
  let closing: (() => Promise<void>)[] = []

  function client(options: object = {}): Untyped {
    const redis = new Redis({ host: server.host, port: server.port, ...options })
    made.push(redis)
    return redis
  }

  beforeEach(async () => {
    await server.command('FLUSHALL')
  })

  afterEach(async () => {
    for (const redis of made) redis.disconnect()
    for (const close of closing) await close()
    made = []
    closing = []
  })

  describe('of every type', () => {
    for (const protocol of [2, 3]) {
      it(`resolve with strings, their Buffer twins with Buffers (protocol ${protocol})`, async () => {
        const redis = client({ protocol })
        for (const { before = [], call, gives } of rows) {
          for (const twin of [false, true]) {
            await redis.flushall()
            for (const [method, ...args] of before) await redis[method](...args)
            const [method, ...args] = call
            const reply = await redis[twin ? `${method}Buffer` : method](...args)
            // An asymmetric matcher stands for itself; what it matches is checked once, with strings.
            if (twin && gives !== null && typeof gives === 'object' && '$$typeof' in gives) continue
            expect(reply, `${twin ? 'Buffer twin of ' : ''}${call.join(' ')}`).toEqual(twin ? buffered(gives) : gives)
          }
        }
      })
    }

    it('exist for every command there is, in both forms', () => {
      const redis = client({ lazyConnect: true })
      for (const name of redis.getBuiltinCommands()) {
        expect(typeof redis[name], name).toBe('function')
        expect(typeof redis[`${name}Buffer`], `${name}Buffer`).toBe('function')
      }
    })

    it('keep bytes that are no text', async () => {
      const redis = client()
      const bytes = Buffer.from([0, 13, 10, 255, 254, 36, 42, 13, 10, 0])
      await redis.set(bytes, bytes)
      expect(await redis.getBuffer(bytes)).toEqual(bytes)
      expect(await redis.strlen(bytes)).toBe(bytes.length)
      expect(await redis.get(bytes)).toBe(bytes.toString())
      expect(await redis.keysBuffer('*')).toEqual([bytes])
      await redis.hset('h', bytes, bytes)
      expect(await redis.hmgetBuffer('h', bytes)).toEqual([bytes])
      const dump = await redis.dumpBuffer(bytes)
      expect(Buffer.isBuffer(dump)).toBe(true)
      expect(await redis.restore('copy', 0, dump)).toBe('OK')
      expect(await redis.getBuffer('copy')).toEqual(bytes)
    })
  })

  describe('with a callback', () => {
    it('call it with null and the reply, and return the promise all the same', async () => {
      const redis = client()
      const seen: unknown[][] = []
      const promise = redis.set('k', 'v', (...args: unknown[]) => seen.push(args))
      expect(promise).toBeInstanceOf(Promise)
      expect(await promise).toBe('OK')
      expect(await redis.get('k', (...args: unknown[]) => seen.push(args))).toBe('v')
      expect(await redis.get('none', (...args: unknown[]) => seen.push(args))).toBe(null)
      expect(await redis.getBuffer('k', (...args: unknown[]) => seen.push(args))).toEqual(Buffer.from('v'))
      expect(seen).toEqual([
        [null, 'OK'],
        [null, 'v'],
        [null, null],
        [null, Buffer.from('v')],
      ])
    })

    it('call it with the error alone, and nobody is told of a rejection that was not handled', async () => {
      const redis = client()
      const seen: unknown[][] = []
      const unhandled = await collecting('unhandledRejection', async () => {
        redis.call('nope', 'a', (...args: unknown[]) => seen.push(args))
        redis.hget('k', (...args: unknown[]) => seen.push(args))
        await redis.ping()
      })
      expect(unhandled).toEqual([])
      expect(seen.map(args => args.length)).toEqual([1, 1])
      expect(seen.map(([error]) => (error as Error).message)).toEqual([
        "ERR unknown command 'nope', with args beginning with: 'a' ",
        "ERR wrong number of arguments for 'hget' command",
      ])
    })

    it('reject the promise as well', async () => {
      const redis = client()
      let given: unknown
      const error = await failure(
        redis.hget('k', (cause: unknown) => {
          given = cause
        }),
      )
      expect(error).toBe(given)
    })

    it('call it in the order of the commands', async () => {
      const redis = client()
      const order: number[] = []
      for (let i = 0; i < 50; i++)
        redis.call(i % 3 === 0 ? 'nosuch' : 'ping', () => order.push(i)).catch(() => undefined)
      await redis.ping()
      expect(order).toEqual([...Array(50).keys()])
    })

    it('throw what it throws as an uncaught exception, and go on', async () => {
      const redis = client()
      const uncaught = await collecting('uncaughtException', async () => {
        await redis.ping(() => {
          throw new Error('from a callback')
        })
      })
      expect(uncaught).toEqual([new Error('from a callback')])
      expect(await redis.ping()).toBe('PONG')
    })

    it('without one, tell of each rejection nobody handles, once', async () => {
      const redis = client()
      const unhandled = await collecting('unhandledRejection', async () => {
        redis.hget('k')
        redis.call('nope')
        await redis.ping()
      })
      expect(unhandled.map(error => (error as Error).message)).toEqual([
        "ERR wrong number of arguments for 'hget' command",
        "ERR unknown command 'nope', with args beginning with: ",
      ])
    })
  })

  describe('on the wire', () => {
    async function recorded(options: object = {}): Promise<{ redis: Untyped; sent: Recorder }> {
      const sent = await new Recorder().start()
      closing.push(() => sent.close())
      const redis = client({ host: '127.0.0.1', port: sent.port, enableReadyCheck: false, ...options })
      await once(redis, 'ready')
      await redis.ping()
      sent.take()
      return { redis, sent }
    }

    it('have their names in the letters that the method, or the caller, uses', async () => {
      const { redis, sent } = await recorded()
      await redis.get('k')
      await redis.getBuffer('k')
      await redis.call('GeT', 'k')
      await redis.callBuffer('GET', 'k')
      await redis.send_command('gEt', 'k')
      await redis.sendCommand(new module.Command('GEt', ['k']))
      expect(sent.take()).toBe(['get', 'get', 'GeT', 'GET', 'gEt', 'GEt'].map(name => frame(name, 'k')).join(''))
    })

    it('have subcommands as the caller gives them', async () => {
      const { redis, sent } = await recorded()
      await redis.config('GET', 'maxmemory')
      await redis.xinfo('stream', 's')
      await redis.client('ID')
      await redis.call('OBJECT', 'Encoding', 'k')
      expect(sent.take()).toBe(
        frame('config', 'GET', 'maxmemory') +
          frame('xinfo', 'stream', 's') +
          frame('client', 'ID') +
          frame('OBJECT', 'Encoding', 'k'),
      )
    })

    const date = new Date(0)
    const cases: [title: string, args: unknown[], words: string[]][] = [
      ['nothing', [], []],
      ['strings', ['a', '', 'grüße ✓ 🦀'], ['a', '', utf8('grüße ✓ 🦀')]],
      ['half a surrogate pair', ['a\ud800'], ['a\xef\xbf\xbd']],
      ['text that looks like RESP', ['$3\r\nGET\r\n'], ['$3\r\nGET\r\n']],
      ['numbers', [1, -0, 1.5, -2.25e-7, 0.1 + 0.2], ['1', '0', '1.5', '-2.25e-7', '0.30000000000000004']],
      ['numbers that are none', [Number.NaN, Infinity, -Infinity], ['NaN', 'Infinity', '-Infinity']],
      ['the largest safe integer', [Number.MAX_SAFE_INTEGER], ['9007199254740991']],
      [
        'larger integers, without an exponent',
        [2 ** 53, 1e21, -1e22],
        ['9007199254740992', '1000000000000000000000', '-10000000000000000000000'],
      ],
      ['BigInts', [2n ** 70n], ['1180591620717411303424']],
      ['null and undefined, as nothing', [null, 'x', undefined], ['', 'x', '']],
      ['booleans', [true, false], ['true', 'false']],
      ['Buffers', [Buffer.from([255, 0, 13, 10]), 'ü', Buffer.alloc(0)], ['\xff\0\r\n', utf8('ü'), '']],
      [
        'an array of bytes that is no Buffer',
        [new Uint8Array([1, 2])],
        [deviates('uint8array-is-bytes') ? '\x01\x02' : '1,2'],
      ],
      ['objects', [{ a: 1 }, { toString: () => 'mine' }], ['[object Object]', 'mine']],
      ['dates', [date], [String(date)]],
      ['symbols', [Symbol('s')], ['Symbol(s)']],
      ['arrays', [['a', 'b'], 'c', [1, [2, 3]], []], ['a', 'b', 'c', '1', '2,3']],
      ['arrays of Buffers', [[Buffer.from('a'), Buffer.from('b')]], ['a', 'b']],
      ['arrays with holes', [['a', undefined, null]], ['a', '', '']],
    ]

    for (const [title, args, words] of cases) {
      it(`have as arguments ${title}`, async () => {
        const { redis, sent } = await recorded()
        await redis.echo(...args)
        expect(sent.take()).toBe(frame('echo', ...words))
        await redis.call('X', ...args)
        expect(sent.take()).toBe(frame('X', ...words))
        await redis.call('X', args, 'end')
        const nested = args.map(arg => (Array.isArray(arg) ? arg.join() : arg))
        expect(sent.take()).toBe(frame('X', ...nestedWords(nested), 'end'))
      })
    }

    /** One level of arrays is taken apart; whatever is left is made a string. */
    function nestedWords(args: unknown[]): string[] {
      return args.map(arg => {
        if (Buffer.isBuffer(arg)) return arg.toString('latin1')
        if (arg instanceof Uint8Array && deviates('uint8array-is-bytes')) return Buffer.from(arg).toString('latin1')
        if (arg === null || arg === undefined) return ''
        if (typeof arg === 'number' && Number.isInteger(arg)) return BigInt(arg).toString()
        return utf8(String(arg).replace('\ud800', '\ufffd'))
      })
    }

    it('have functions for arguments, unless it is the last one', async () => {
      const { redis, sent } = await recorded()
      const fn = () => 1
      await redis.echo(fn, 'x')
      expect(sent.take()).toBe(frame('echo', String(fn), 'x'))
    })

    it('leave the arrays of the caller as they were', async () => {
      const { redis } = await recorded()
      const args = ['k', 1, [2, null]]
      await redis.rpush(args)
      await redis.call('RPUSH', args)
      expect(args).toEqual(['k', 1, [2, null]])
    })

    it('have the bytes of Buffers, arrays and objects as they are at the call', async () => {
      const { redis, sent } = await recorded()
      const [bytes, list, object] = [Buffer.from('before'), ['before'], { f: 'before' }]
      const replies = [redis.set('k', bytes), redis.rpush('l', list), redis.hset('h', object)]
      bytes.write('after!')
      list[0] = 'after'
      object.f = 'after'
      await Promise.all(replies)
      expect(sent.take()).toBe(
        frame('set', 'k', 'before') + frame('rpush', 'l', 'before') + frame('hset', 'h', 'f', 'before'),
      )
    })

    it('go out in the order of the calls, mixed as they may be', async () => {
      const { redis, sent } = await recorded()
      const big = 'x'.repeat(100_000)
      await Promise.all([
        redis.set('a', 1),
        redis.set('b', Buffer.from('b')),
        redis.set('c', big),
        redis.pipeline().set('d', 4).set('e', Buffer.from('5')).exec(),
        redis.call('SET', 'f', ''),
      ])
      expect(sent.take()).toBe(
        frame('set', 'a', '1') +
          frame('set', 'b', 'b') +
          frame('set', 'c', big) +
          frame('set', 'd', '4') +
          frame('set', 'e', '5') +
          frame('SET', 'f', ''),
      )
    })
  })

  describe('by name', () => {
    it('call, callBuffer and send_command take the name first', async () => {
      const redis = client()
      expect(await redis.call('SET', 'k', 'v')).toBe('OK')
      expect(await redis.call('get', ['k'])).toBe('v')
      expect(await redis.callBuffer('GET', 'k')).toEqual(Buffer.from('v'))
      expect(await redis.send_command('get', 'k')).toBe('v')
      expect(redis.send_command).toBe(redis.call)
      const seen: unknown[][] = []
      await redis.send_command('get', ['k'], (...args: unknown[]) => seen.push(args))
      await redis.call('get', 'k', (...args: unknown[]) => seen.push(args))
      await redis.callBuffer('get', 'k', (...args: unknown[]) => seen.push(args))
      expect(seen).toEqual([
        [null, 'v'],
        [null, 'v'],
        [null, Buffer.from('v')],
      ])
    })

    it('transform replies by the exact name only', async () => {
      const redis = client()
      await redis.hset('h', 'f', 1)
      expect(await redis.call('hgetall', 'h')).toEqual({ f: '1' })
      expect(await redis.call('HGETALL', 'h')).toEqual(['f', '1'])
      expect(await redis.callBuffer('hgetall', 'h')).toEqual({ f: Buffer.from('1') })
      await redis.zadd('z', 1, 'a')
      expect(await redis.call('zrange', 'z', 0, -1, 'WITHSCORES')).toEqual(['a', '1'])
      expect(await redis.call('ZRANGE', 'z', 0, -1, 'WITHSCORES')).toEqual([['a', '1']])
      const old = client({ protocol: 2 })
      expect(await old.call('ZRANGE', 'z', 0, -1, 'WITHSCORES')).toEqual(['a', '1'])
    })

    it('sendCommand takes a Command, whose promise it returns', async () => {
      const redis = client()
      const { Command } = module
      await redis.set('k', 'v')
      const get = new Command('get', ['k'], { replyEncoding: 'utf8' })
      const returned = redis.sendCommand(get)
      expect(returned).toBe(get.promise)
      expect(await returned).toBe('v')
      expect(await redis.sendCommand(new Command('get', ['k']))).toEqual(Buffer.from('v'))
      expect(await redis.sendCommand(new Command('GET', [['k']], { replyEncoding: 'hex' }))).toBe('76')
      const seen: unknown[][] = []
      await redis.sendCommand(new Command('get', ['k'], {}, (...args: unknown[]) => seen.push(args)))
      expect(seen).toEqual([[null, Buffer.from('v')]])
    })

    it('createBuiltinCommand gives both forms, addBuiltinCommand puts them on the instance', async () => {
      const redis = client()
      const { string, buffer } = redis.createBuiltinCommand('echo')
      expect(await string.call(redis, 'x')).toBe('x')
      expect(await buffer.call(redis, 'x')).toEqual(Buffer.from('x'))
      expect(redis['json.get']).toBe(undefined)
      redis.addBuiltinCommand('lolwut')
      expect(await redis.lolwut()).toContain('Redis ver. 7.0.15')
      expect(await redis.lolwutBuffer()).toBeInstanceOf(Buffer)
      const [[, text]] = await redis.pipeline().lolwut().exec()
      expect(text).toContain('Redis ver. 7.0.15')
      redis.addBuiltinCommand('no.such')
      expect((await failure(redis['no.such']())).message).toContain("unknown command 'no.such'")
    })

    it('getBuiltinCommands gives a list of one’s own', () => {
      const redis = client({ lazyConnect: true })
      const names = redis.getBuiltinCommands()
      expect(names).toContain('get')
      expect(names).toContain('sentinel')
      expect(names).not.toContain('monitor')
      names.length = 0
      expect(redis.getBuiltinCommands().length).toBeGreaterThan(200)
    })

    it('select changes the database, and tells', async () => {
      const redis = client()
      const selected: unknown[] = []
      redis.on('select', (db: unknown) => selected.push(db))
      expect(await redis.select(3)).toBe('OK')
      await redis.set('k', 'v')
      expect(await redis.select('0')).toBe('OK')
      expect(await redis.get('k')).toBe(null)
      expect(await redis.select(0)).toBe('OK')
      expect(selected).toEqual([3, 0])
      expect(await server.command('MOVE', 'k', 3)).toBe(0)
    })
  })

  describe('that fail', () => {
    it('reject with a ReplyError that names the command', async () => {
      const redis = client()
      await redis.set('s', 'x')
      const error = await failure(redis.lpush('s', 1, null, [Buffer.from('b')]))
      expect(error).toBeInstanceOf(Error)
      expect(error).toBeInstanceOf(module.ReplyError)
      expect(error.name).toBe('ReplyError')
      expect(error.message).toBe('WRONGTYPE Operation against a key holding the wrong kind of value')
      expect(error.command).toEqual({ name: 'lpush', args: ['s', '1', '', Buffer.from('b')] })
      expect(Object.keys(error)).toEqual(['command'])
      expect(String(error)).toBe(`ReplyError: ${error.message}`)
      expect(error.stack.split('\n')[0]).toBe(`ReplyError: ${error.message}`)
    })

    it('reject with errors that have no code', async () => {
      const error = await failure(client().hget('k'))
      expect('code' in error).toBe(deviates('reply-error-code'))
      expect(Object.hasOwn(error, 'code')).toBe(false)
    })

    const failing: [call: Call, message: string, command: object][] = [
      [
        ['call', 'NoSuch', 'a', 1],
        "ERR unknown command 'NoSuch', with args beginning with: 'a' '1' ",
        { name: 'NoSuch', args: ['a', '1'] },
      ],
      [['get'], "ERR wrong number of arguments for 'get' command", { name: 'get', args: [] }],
      [['incr', 's'], 'ERR value is not an integer or out of range', { name: 'incr', args: ['s'] }],
      [
        ['config', 'SET', 'maxmemory', 'much'],
        "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
        { name: 'config', args: ['SET', 'maxmemory', 'much'] },
      ],
      [
        ['evalsha', 'ffff', 0],
        'NOSCRIPT No matching script. Please use EVAL.',
        { name: 'evalsha', args: ['ffff', '0'] },
      ],
      [['eval', 'return redis.error_reply("MINE my own")', 0], 'MINE my own', { name: 'eval' }],
      [['select', 99], 'ERR DB index is out of range', { name: 'select', args: ['99'] }],
      [['object', 'help', 'x', 'y'], 'ERR', { name: 'object' }],
      [['exec'], 'ERR EXEC without MULTI', { name: 'exec', args: [] }],
    ]

    for (const [[method, ...args], message, command] of failing) {
      it(`reject with what the server says: ${method} ${args.join(' ')}`, async () => {
        const redis = client()
        await redis.set('s', 'x')
        for (const twin of ['', 'Buffer']) {
          const error = await failure(redis[`${method}${twin}`](...args))
          expect(error.name).toBe('ReplyError')
          expect(error.message.startsWith(message), error.message).toBe(true)
          expect(error.command).toMatchObject(command)
        }
        expect(await redis.ping()).toBe('PONG')
      })
    }

    it('name their keys with the prefix', async () => {
      const redis = client({ keyPrefix: 'p:' })
      expect((await failure(redis.hget('k'))).command).toEqual({ name: 'hget', args: ['p:k'] })
    })

    it('have errors for elements where the server nests them', async () => {
      const redis = client()
      const reply = await redis.eval('return {1, redis.error_reply("MINE my own"), "x"}', 0)
      expect(reply).toHaveLength(3)
      expect([reply[0], reply[2]]).toEqual([1, 'x'])
      expect(reply[1]).toBeInstanceOf(module.ReplyError)
      expect(reply[1].name).toBe('ReplyError')
      expect(reply[1].message).toBe('MINE my own')
    })

    function whereItWasCalled(redis: Untyped, method: string): Promise<unknown> {
      return redis[method]('too', 'many', 'arguments')
    }

    it('with showFriendlyErrorStack have the stack of the call', async () => {
      const redis = client({ showFriendlyErrorStack: true })
      redis.defineCommand('mine', { lua: 'return redis.error_reply("MINE my own")', numberOfKeys: 0 })
      for (const [method, message] of [
        ['get', "ERR wrong number of arguments for 'get' command"],
        ['getBuffer', "ERR wrong number of arguments for 'get' command"],
        ['call', "ERR unknown command 'too', with args beginning with: 'many' 'arguments' "],
        ['mine', 'MINE my own'],
      ] as const) {
        const error = await failure(whereItWasCalled(redis, method))
        const [first, second] = error.stack.split('\n')
        expect(error.message).toBe(message)
        expect(first).toBe(`ReplyError: ${message}`)
        expect(second).toContain('whereItWasCalled')
        expect(second).toContain('commands.test.ts')
      }
    })

    it('without it do not', async () => {
      const error = await failure(whereItWasCalled(client(), 'get'))
      expect(error.stack).not.toContain('whereItWasCalled')
    })

    it('after the end reject at once', async () => {
      const redis = client()
      await redis.ping()
      redis.disconnect()
      await once(redis, 'end')
      const error = await failure(redis.get('k'))
      expect(error.constructor).toBe(Error)
      expect(error.message).toBe('Connection is closed.')
      expect(error.command).toBe(undefined)
    })
  })

  describe('reply', () => {
    const shapes: [call: Call, legacy: unknown, resp3: unknown][] = [
      [['hgetall', 'h'], { f: '1' }, { f: '1' }],
      [['hgetall', 'none'], {}, {}],
      [['call', 'HGETALL', 'h'], ['f', '1'], { f: '1' }],
      [['config', 'GET', 'maxmemory'], ['maxmemory', '0'], { maxmemory: '0' }],
      [
        ['zrange', 'z', 0, -1],
        ['a', 'b', 'c'],
        ['a', 'b', 'c'],
      ],
      [
        ['zrange', 'z', 0, -1, 'WITHSCORES'],
        ['a', '1', 'b', '2.5', 'c', 'inf'],
        [
          ['a', 1],
          ['b', 2.5],
          ['c', Infinity],
        ],
      ],
      [['zrevrange', 'z', 0, 0, 'WITHSCORES'], ['c', 'inf'], [['c', Infinity]]],
      [['zrangebyscore', 'z', 1, 1, 'WITHSCORES'], ['a', '1'], [['a', 1]]],
      [['zrevrangebyscore', 'z', 1, 1, 'WITHSCORES'], ['a', '1'], [['a', 1]]],
      [
        ['zunion', 1, 'z', 'WITHSCORES'],
        ['a', '1', 'b', '2.5', 'c', 'inf'],
        [
          ['a', 1],
          ['b', 2.5],
          ['c', Infinity],
        ],
      ],
      [
        ['zinter', 1, 'z', 'WITHSCORES'],
        ['a', '1', 'b', '2.5', 'c', 'inf'],
        [
          ['a', 1],
          ['b', 2.5],
          ['c', Infinity],
        ],
      ],
      [
        ['zdiff', 1, 'z', 'WITHSCORES'],
        ['a', '1', 'b', '2.5', 'c', 'inf'],
        [
          ['a', 1],
          ['b', 2.5],
          ['c', Infinity],
        ],
      ],
      [['zrandmember', 'one', 2, 'WITHSCORES'], ['a', '4'], [['a', 4]]],
      [['zscore', 'z', 'b'], '2.5', 2.5],
      [
        ['zmscore', 'z', 'a', 'x'],
        ['1', null],
        [1, null],
      ],
      [
        ['zscan', 'one', 0],
        ['0', ['a', '4']],
        ['0', ['a', '4']],
      ],
      [
        ['zpopmin', 'z'],
        ['a', '1'],
        ['a', 1],
      ],
      [
        ['zpopmax', 'z', 2],
        ['c', 'inf', 'b', '2.5'],
        [
          ['c', Infinity],
          ['b', 2.5],
        ],
      ],
      [
        ['bzpopmin', 'z', 0],
        ['z', 'a', '1'],
        ['z', 'a', 1],
      ],
      [
        ['zmpop', 1, 'z', 'MIN'],
        ['z', [['a', '1']]],
        ['z', [['a', 1]]],
      ],
      [['zadd', 'z', 'INCR', 1, 'a'], '2', 2],
      [['zrank', 'z', 'none'], null, null],
      [['hrandfield', 'h', 2, 'WITHVALUES'], ['f', '1'], [['f', '1']]],
      [['hrandfield', 'none', 2, 'WITHVALUES'], [], []],
      [
        ['hscan', 'h', 0],
        ['0', ['f', '1']],
        ['0', ['f', '1']],
      ],
      [['xread', 'STREAMS', 's', 0], [['s', [['1-1', ['f', 'v', 'g', 'w']]]]], { s: [['1-1', ['f', 'v', 'g', 'w']]] }],
      [['xread', 'STREAMS', 's', '$'], null, null],
      [
        ['xread', 'STREAMS', 's', 's2', 0, 0],
        [
          ['s', [['1-1', ['f', 'v', 'g', 'w']]]],
          ['s2', [['2-2', ['x', 'y']]]],
        ],
        { s: [['1-1', ['f', 'v', 'g', 'w']]], s2: [['2-2', ['x', 'y']]] },
      ],
      [
        ['xreadgroup', 'GROUP', 'G', 'me', 'STREAMS', 's', '>'],
        [['s', [['1-1', ['f', 'v', 'g', 'w']]]]],
        { s: [['1-1', ['f', 'v', 'g', 'w']]] },
      ],
      [['xrange', 's', '-', '+'], [['1-1', ['f', 'v', 'g', 'w']]], [['1-1', ['f', 'v', 'g', 'w']]]],
      [
        ['xinfo', 'GROUPS', 's'],
        [['name', 'G', 'consumers', 0, 'pending', 0, 'last-delivered-id', '0-0', 'entries-read', null, 'lag', 1]],
        [{ name: 'G', consumers: 0, pending: 0, 'last-delivered-id': '0-0', 'entries-read': null, lag: 1 }],
      ],
      [
        ['xinfo', 'STREAM', 's2'],
        [
          'length',
          1,
          'radix-tree-keys',
          1,
          'radix-tree-nodes',
          2,
          'last-generated-id',
          '2-2',
          'max-deleted-entry-id',
          '0-0',
          'entries-added',
          1,
          'recorded-first-entry-id',
          '2-2',
          'groups',
          0,
          'first-entry',
          ['2-2', ['x', 'y']],
          'last-entry',
          ['2-2', ['x', 'y']],
        ],
        {
          length: 1,
          'radix-tree-keys': 1,
          'radix-tree-nodes': 2,
          'last-generated-id': '2-2',
          'max-deleted-entry-id': '0-0',
          'entries-added': 1,
          'recorded-first-entry-id': '2-2',
          groups: 0,
          'first-entry': ['2-2', ['x', 'y']],
          'last-entry': ['2-2', ['x', 'y']],
        },
      ],
      [
        ['geosearch', 'g', 'FROMLONLAT', 15, 37, 'BYRADIUS', 100, 'km', 'WITHCOORD', 'WITHDIST', 'WITHHASH'],
        [['Catania', '56.4413', 3479447370796909, ['15.08726745843887329', '37.50266842333162032']]],
        [
          [
            'Catania',
            '56.4413',
            3479447370796909,
            [expect.closeTo(15.087267458438873, 12), expect.closeTo(37.50266842333162, 12)],
          ],
        ],
      ],
      [['geopos', 'g', 'none'], [null], [null]],
      [
        ['command', 'DOCS', 'readonly'],
        expect.arrayContaining(['readonly']),
        { readonly: expect.objectContaining({ since: '3.0.0', group: 'cluster' }) },
      ],
      [['command', 'INFO', 'nope'], [null], [null]],
      [
        ['command', 'INFO', 'readonly'],
        [['readonly', 1, ['loading', 'stale', 'fast'], 0, 0, 0, ['@fast', '@connection'], [], [], []]],
        [['readonly', 1, ['loading', 'stale', 'fast'], 0, 0, 0, ['@fast', '@connection'], [], [], []]],
      ],
      [
        ['function', 'LIST'],
        [
          [
            'library_name',
            'lib',
            'engine',
            'LUA',
            'functions',
            [['name', 'fn', 'description', null, 'flags', ['no-writes']]],
          ],
        ],
        [{ library_name: 'lib', engine: 'LUA', functions: [{ name: 'fn', description: null, flags: ['no-writes'] }] }],
      ],
      [
        ['function', 'STATS'],
        ['running_script', null, 'engines', ['LUA', ['libraries_count', 1, 'functions_count', 1]]],
        { running_script: null, engines: { LUA: { libraries_count: 1, functions_count: 1 } } },
      ],
      [['fcall', 'fn', 0], ['a', '1.5'], { a: 1.5 }],
      [['client', 'INFO'], expect.stringMatching(/^id=\d+ addr=/), expect.stringMatching(/^id=\d+ addr=/)],
      [['client', 'LIST'], expect.stringMatching(/^id=\d+ addr=/), expect.stringMatching(/^id=\d+ addr=/)],
      [
        ['client', 'TRACKINGINFO'],
        ['flags', ['off'], 'redirect', -1, 'prefixes', []],
        { flags: ['off'], redirect: -1, prefixes: [] },
      ],
      [
        ['info', 'server'],
        expect.stringContaining('redis_version:7.0.15\r\n'),
        expect.stringContaining('redis_version:7.0.15\r\n'),
      ],
      [['smembers', 't'], ['x'], ['x']],
      [
        ['smismember', 't', 'x', 'y'],
        [1, 0],
        [1, 0],
      ],
      [['sismember', 't', 'x'], 1, 1],
      [
        ['lcs', 'a', 'b', 'IDX', 'WITHMATCHLEN'],
        [
          'matches',
          [
            [[4, 7], [5, 8], 4],
            [[2, 3], [0, 1], 2],
          ],
          'len',
          6,
        ],
        {
          matches: [
            [[4, 7], [5, 8], 4],
            [[2, 3], [0, 1], 2],
          ],
          len: 6,
        },
      ],
      [
        ['memory', 'STATS'],
        expect.arrayContaining(['peak.allocated', 'keys.count', 9]),
        expect.objectContaining({ 'keys.count': 9 }),
      ],
      [
        ['acl', 'GETUSER', 'default'],
        [
          'flags',
          ['on', 'nopass'],
          'passwords',
          [],
          'commands',
          '+@all',
          'keys',
          '~*',
          'channels',
          '&*',
          'selectors',
          [],
        ],
        { flags: ['on', 'nopass'], passwords: [], commands: '+@all', keys: '~*', channels: '&*', selectors: [] },
      ],
      [['acl', 'GETUSER', 'nobody'], null, null],
      [['incrbyfloat', 'n', '0.5'], '0.5', '0.5'],
      [['object', 'FREQ', 'a'], expect.any(Number), expect.any(Number)],
      [
        ['eval', 'return {1,{2,"x",false,{}}}', 0],
        [1, [2, 'x', null, []]],
        [1, [2, 'x', null, []]],
      ],
      [['eval', 'return {map={a={double=1.5}}}', 0], ['a', '1.5'], { a: 1.5 }],
      [['eval', 'return {set={a=true}}', 0], ['a'], ['a']],
      [['eval', 'return {double=-3.25}', 0], '-3.25', -3.25],
      [['eval', 'return {big_number="123456789012345678901"}', 0], '123456789012345678901', '123456789012345678901'],
      [['eval', 'redis.setresp(3) return true', 0], 1, true],
      [['eval', 'redis.setresp(3) return false', 0], 0, false],
      [['debug', 'PROTOCOL', 'string'], 'Hello World', 'Hello World'],
      [['debug', 'PROTOCOL', 'integer'], 12345, 12345],
      [['debug', 'PROTOCOL', 'double'], '3.141', expect.any(Number)],
      [['debug', 'PROTOCOL', 'null'], null, null],
      [
        ['debug', 'PROTOCOL', 'array'],
        [0, 1, 2],
        [0, 1, 2],
      ],
      [
        ['debug', 'PROTOCOL', 'set'],
        [0, 1, 2],
        [0, 1, 2],
      ],
      [['debug', 'PROTOCOL', 'map'], [0, 0, 1, 1, 2, 0], { 0: false, 1: true, 2: false }],
      [['debug', 'PROTOCOL', 'verbatim'], 'This is a verbatim\nstring', 'This is a verbatim\nstring'],
      [
        ['debug', 'PROTOCOL', 'bignum'],
        '1234567999999999999999999999999999999',
        '1234567999999999999999999999999999999',
      ],
      [['debug', 'PROTOCOL', 'true'], 1, true],
      [['debug', 'PROTOCOL', 'false'], 0, false],
    ]

    /** Every number a string, as `stringNumbers` has it. */
    function withStrings(value: unknown): unknown {
      if (typeof value === 'number') return value === Infinity ? 'inf' : String(value)
      if (Array.isArray(value)) return value.map(withStrings)
      if (value !== null && typeof value === 'object' && !('$$typeof' in value)) {
        return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withStrings(item)]))
      }
      return value
    }

    /** Shapes whose `stringNumbers` form is no matter of making numbers strings. */
    const unlike = /setresp|memory STATS|FREQ|geosearch|PROTOCOL (double|true|false|map)/i

    async function filled(redis: Untyped): Promise<void> {
      const writes: Call[] = [
        ['flushall'],
        ['function', 'FLUSH'],
        ['config', 'SET', 'maxmemory-policy', 'allkeys-lfu'],
        ['hset', 'h', 'f', 1],
        zset,
        ['zadd', 'one', 4, 'a'],
        stream,
        ['xadd', 's2', '2-2', 'x', 'y'],
        ['xgroup', 'CREATE', 's', 'G', 0],
        sicily,
        ['sadd', 't', 'x'],
        ['mset', 'a', 'ohmytext', 'b', 'mynewtext'],
        [
          'call',
          'function',
          'LOAD',
          '#!lua name=lib\nredis.register_function{function_name="fn", callback=function() return {map={a={double=1.5}}} end, flags={"no-writes"}}',
        ],
      ]
      for (const [method, ...args] of writes) await redis[method](...args)
    }

    for (const [kind, options] of Object.entries(kinds)) {
      it(`has its shape: ${kind}`, async () => {
        const redis = client(options)
        const [resp3, strings] = ['replyMapping' in options, 'stringNumbers' in options]
        // Without its own connection, what fills the server would be under test as well.
        const filler = client({ protocol: 2 })
        for (const [call, legacy, mapped] of shapes) {
          const title = call.join(' ')
          if (strings && unlike.test(title)) continue
          await filled(filler)
          const [method, ...args] = call
          const expected = resp3 ? mapped : legacy
          expect(await redis[method as string](...args), title).toEqual(strings ? withStrings(expected) : expected)
        }
      })
    }

    it('with stringNumbers keeps the digits of integers too large for a number', async () => {
      for (const protocol of [2, 3]) {
        const exact = client({ protocol, stringNumbers: true })
        await exact.set('n', '9223372036854775806')
        expect(await exact.incr('n')).toBe('9223372036854775807')
        expect(await exact.decrBuffer('n')).toBe('9223372036854775806')
        expect(await exact.incrBuffer('n')).toBe('9223372036854775807')
        expect(await exact.decrby('n', '9223372036854775807')).toBe('0')
        expect(await exact.multi().decr('n').exec()).toEqual([[null, '-1']])
        expect(await exact.pipeline().decr('n').get('n').exec()).toEqual([
          [null, '-2'],
          [null, '-2'],
        ])
      }
    })

    it('without it makes the nearest number of them', async () => {
      for (const protocol of [2, 3]) {
        const redis = client({ protocol })
        for (const digits of [
          '9007199254740993',
          '1234567890123456789',
          '9223372036854775806',
          '-9223372036854775807',
        ]) {
          await redis.set('n', digits)
          const got = await redis.incrby('n', 0)
          if (protocol === 2 && deviates('resp2-large-integers')) expect(got / Number(digits)).toBeCloseTo(1, 12)
          else expect(got, digits).toBe(Number(digits))
        }
      }
    })

    it('is the reply itself where RESP2 has left out an attribute', async () => {
      const redis = client({ protocol: 2 })
      expect(await redis.debug('PROTOCOL', 'attrib')).toBe('Some real reply following the attribute')
    })

    it('is the reply itself where a push comes first', async () => {
      expect(await client().debug('PROTOCOL', 'push')).toBe('Some real reply following the push reply')
      const error = await failure(client({ protocol: 2 }).debug('PROTOCOL', 'push'))
      expect(error.message).toBe('ERR RESP2 is not supported by this command')
    })

    it('refuses replyMapping resp3 with protocol 2', () => {
      expect(() => new Redis({ protocol: 2, replyMapping: 'resp3', lazyConnect: true })).toThrow(
        new Error('The "resp3" replyMapping is only supported with protocol 3'),
      )
    })

    it('has Buffers for strings in the twins, but not for the keys of objects', async () => {
      const redis = client({ replyMapping: 'resp3' })
      await redis.hset('h', 'f', 1)
      await redis.xadd('s', '1-1', 'f', 'v')
      await redis.zadd('z', 1.5, 'a')
      expect(await redis.hgetallBuffer('h')).toEqual({ f: Buffer.from('1') })
      expect(await redis.xreadBuffer('STREAMS', 's', 0)).toEqual({ s: [['1-1', ['f', 'v']]].map(buffered) })
      expect(await redis.zrangeBuffer('z', 0, -1, 'WITHSCORES')).toEqual([[Buffer.from('a'), 1.5]])
      expect(await redis.configBuffer('GET', 'maxmemory')).toEqual({ maxmemory: Buffer.from('0') })
      const legacy = client()
      expect(await legacy.zrangeBuffer('z', 0, -1, 'WITHSCORES')).toEqual([Buffer.from('a'), Buffer.from('1.5')])
      expect(await legacy.configBuffer('GET', 'maxmemory')).toEqual([Buffer.from('maxmemory'), Buffer.from('0')])
    })
  })

  describe('frames', () => {
    const same = (value: unknown) => ({ legacy: value, resp3: value, strings: value, both: value })
    const frames: [
      title: string,
      raw: string,
      gives: { legacy: unknown; resp3: unknown; strings: unknown; both: unknown },
    ][] = [
      ['null', '_\r\n', same(null)],
      ['a null bulk string', '$-1\r\n', same(null)],
      ['a null array', '*-1\r\n', same(null)],
      ['an empty bulk string', '$0\r\n\r\n', same('')],
      ['a simple string', '+fine\r\n', same('fine')],
      ['an empty simple string', '+\r\n', same('')],
      ['bytes', '$6\r\na\r\nb\r\n\r\n', same('a\r\nb\r\n')],
      ['an integer', ':42\r\n', { legacy: 42, resp3: 42, strings: '42', both: '42' }],
      ['a negative integer', ':-42\r\n', { legacy: -42, resp3: -42, strings: '-42', both: '-42' }],
      [
        'an integer too large',
        ':9223372036854775807\r\n',
        { legacy: 2 ** 63, resp3: 2 ** 63, strings: '9223372036854775807', both: '9223372036854775807' },
      ],
      ['a double', ',1.5\r\n', { legacy: '1.5', resp3: 1.5, strings: '1.5', both: '1.5' }],
      ['a double without a fraction', ',10\r\n', { legacy: '10', resp3: 10, strings: '10', both: '10' }],
      ['a negative double', ',-0.25\r\n', { legacy: '-0.25', resp3: -0.25, strings: '-0.25', both: '-0.25' }],
      [
        'a double with an exponent',
        ',1.5e+300\r\n',
        { legacy: '1.5e+300', resp3: 1.5e300, strings: '1.5e+300', both: '1.5e+300' },
      ],
      ['infinity', ',inf\r\n', { legacy: 'inf', resp3: Infinity, strings: 'inf', both: 'inf' }],
      ['minus infinity', ',-inf\r\n', { legacy: '-inf', resp3: -Infinity, strings: '-inf', both: '-inf' }],
      ['not a number', ',nan\r\n', { legacy: 'nan', resp3: Number.NaN, strings: 'nan', both: 'nan' }],
      ['a big number', '(-123456789012345678901\r\n', same('-123456789012345678901')],
      ['a verbatim string', '=8\r\ntxt:some\r\n', same('some')],
      ['an empty verbatim string', '=4\r\nmkd:\r\n', same('')],
      ['true', '#t\r\n', { legacy: 1, resp3: true, strings: 1, both: true }],
      ['false', '#f\r\n', { legacy: 0, resp3: false, strings: 0, both: false }],
      ['an empty array', '*0\r\n', same([])],
      ['an array of nothings', '*3\r\n*-1\r\n$-1\r\n*0\r\n', same([null, null, []])],
      ['an empty map', '%0\r\n', { legacy: [], resp3: {}, strings: [], both: {} }],
      [
        'a map',
        '%2\r\n+a\r\n:1\r\n$1\r\nb\r\n*1\r\n,2.5\r\n',
        {
          legacy: ['a', 1, 'b', ['2.5']],
          resp3: { a: 1, b: [2.5] },
          strings: ['a', '1', 'b', ['2.5']],
          both: { a: '1', b: ['2.5'] },
        },
      ],
      [
        'a map whose keys are no strings',
        '%3\r\n:2\r\n#t\r\n,1.5\r\n_\r\n#t\r\n:7\r\n',
        {
          legacy: [2, 1, '1.5', null, 1, 7],
          resp3: { '2': true, '1.5': null, true: 7 },
          strings: ['2', 1, '1.5', null, 1, '7'],
          both: { '2': true, '1.5': null, true: '7' },
        },
      ],
      [
        'a map with an array for a key',
        '%1\r\n*2\r\n+a\r\n+b\r\n+v\r\n',
        { legacy: [['a', 'b'], 'v'], resp3: { 'a,b': 'v' }, strings: [['a', 'b'], 'v'], both: { 'a,b': 'v' } },
      ],
      [
        'a map with a key twice',
        '%2\r\n+a\r\n:1\r\n+a\r\n:2\r\n',
        { legacy: ['a', 1, 'a', 2], resp3: { a: 2 }, strings: ['a', '1', 'a', '2'], both: { a: '2' } },
      ],
      ['an empty set', '~0\r\n', same([])],
      [
        'a set',
        '~3\r\n+a\r\n:1\r\n~1\r\n#f\r\n',
        { legacy: ['a', 1, [0]], resp3: ['a', 1, [false]], strings: ['a', '1', [0]], both: ['a', '1', [false]] },
      ],
      [
        'all of it, nested',
        '*1\r\n*1\r\n*1\r\n%1\r\n+k\r\n~1\r\n_\r\n',
        {
          legacy: [[[['k', [null]]]]],
          resp3: [[[{ k: [null] }]]],
          strings: [[[['k', [null]]]]],
          both: [[[{ k: [null] }]]],
        },
      ],
    ]

    const frameKinds = {
      legacy: {},
      resp3: { replyMapping: 'resp3' },
      strings: { stringNumbers: true },
      both: { replyMapping: 'resp3', stringNumbers: true },
    } as const

    async function scripted(raw: () => string | Buffer): Promise<FakeServer> {
      const fake = await startScripted(([name]) => (name === 'GET' || name === 'HGETALL' ? raw() : undefined))
      closing.push(() => fake.close())
      return fake
    }

    const to = (fake: FakeServer, options: object = {}) =>
      client({ host: '127.0.0.1', port: fake.port, enableReadyCheck: false, ...options })

    for (const byteByByte of [false, true]) {
      it(`of every type are decoded${byteByByte ? ', one byte at a time' : ''}`, async () => {
        let raw = ''
        const fake = await scripted(() => raw)
        fake.byteByByte = byteByByte
        for (const [kind, options] of Object.entries(frameKinds)) {
          const redis = to(fake, options)
          for (const [title, text, gives] of frames) {
            raw = text
            expect(await redis.get('k'), `${title}, ${kind}`).toEqual(gives[kind as keyof typeof frameKinds])
          }
        }
      })
    }

    it('of strings and doubles are Buffers in the twins', async () => {
      let raw = ''
      const fake = await scripted(() => raw)
      const [legacy, resp3, strings] = [to(fake), to(fake, frameKinds.resp3), to(fake, frameKinds.strings)]
      raw = ',1.5\r\n'
      expect(await legacy.getBuffer('k')).toEqual(Buffer.from('1.5'))
      expect(await resp3.getBuffer('k')).toBe(1.5)
      expect(await strings.getBuffer('k')).toBe('1.5')
      raw = '(12345678901234567890\r\n'
      expect(await legacy.getBuffer('k')).toBe('12345678901234567890')
      raw = '=8\r\ntxt:some\r\n'
      expect(await resp3.getBuffer('k')).toEqual(Buffer.from('some'))
      raw = '%1\r\n$1\r\nf\r\n*2\r\n+x\r\n#t\r\n'
      expect(await legacy.getBuffer('k')).toEqual([Buffer.from('f'), [Buffer.from('x'), 1]])
      expect(await resp3.getBuffer('k')).toEqual({ f: [Buffer.from('x'), true] })
    })

    it('of maps with dangerous keys make plain objects', async () => {
      const fake = await scripted(() => '%2\r\n+__proto__\r\n+x\r\n+constructor\r\n+y\r\n')
      for (const options of [frameKinds.legacy, frameKinds.resp3]) {
        const reply = await to(fake, options).hgetall('k')
        expect(Object.keys(reply)).toEqual(['__proto__', 'constructor'])
        expect(Object.getPrototypeOf(reply)).toBe(Object.prototype)
        expect(Object.getOwnPropertyDescriptor(reply, '__proto__')).toEqual({
          value: 'x',
          configurable: true,
          enumerable: true,
          writable: true,
        })
        expect(reply.constructor).toBe('y')
      }
    })

    it('of errors reject: simple, blob, empty, and within an array they are elements', async () => {
      let raw = ''
      const fake = await scripted(() => raw)
      const redis = to(fake)
      for (const [text, message] of [
        ['-ERR plain\r\n', 'ERR plain'],
        ['!10\r\nSYNTAX a\r\n\r\n', 'SYNTAX a\r\n'],
        ['-\r\n', ''],
      ] as const) {
        raw = text
        const error = await failure(redis.get('k'))
        expect(error).toBeInstanceOf(module.ReplyError)
        expect([error.name, error.message]).toEqual(['ReplyError', message])
        expect(error.command).toEqual({ name: 'get', args: ['k'] })
      }
      raw = '*2\r\n-ERR in\r\n!6\r\nERR bl\r\n'
      const reply = await redis.get('k')
      expect(reply.map((error: Error) => [error.name, error.message])).toEqual([
        ['ReplyError', 'ERR in'],
        ['ReplyError', 'ERR bl'],
      ])
      for (const error of reply) expect(error).toBeInstanceOf(module.ReplyError)
    })

    it('that were not asked for, of an unknown kind, are passed over', async () => {
      const fake = await scripted(() => bulk('v'))
      const redis = to(fake)
      await redis.get('k')
      fake.sendToAll('>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n')
      expect(await redis.get('k')).toBe('v')
    })
  })

  describe('of one client', () => {
    it('share one connection', async () => {
      const redis = client()
      const id = await redis.client('ID')
      const results = await redis.pipeline().client('ID').blpop('none', 0.01).client('ID').exec()
      expect(results).toEqual([
        [null, id],
        [null, null],
        [null, id],
      ])
      expect(await redis.multi().client('ID').exec()).toEqual([[null, id]])
      await redis.blpop('none', 0.01)
      expect(await redis.client('ID')).toBe(id)
    })

    it('wait for one that blocks', async () => {
      const [redis, other] = [client(), client()]
      const order: string[] = []
      const popped = redis.blpop('l', 0, () => order.push('blpop'))
      const pong = redis.ping(() => order.push('ping'))
      await eventually(async () => expect(await other.info('clients')).toContain('blocked_clients:1\r\n'))
      expect(order).toEqual([])
      await other.rpush('l', 'x')
      expect(await Promise.all([popped, pong])).toEqual([['l', 'x'], 'PONG'])
      expect(order).toEqual(['blpop', 'ping'])
    })
  })

  describe('in volume', () => {
    it('10 000 at once, each with its own reply', async () => {
      const redis = client()
      const replies = await Promise.all(Array.from({ length: 10_000 }, () => redis.incr('n')))
      expect(replies).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1))
    })

    it('called before there is a connection, in the order of the calls', async () => {
      const redis = client({ lazyConnect: true })
      const replies = Array.from({ length: 100 }, (_, i) => redis.rpush('l', i))
      expect(redis.status).toBe('connecting')
      expect(await Promise.all(replies)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
      expect(await redis.lrange('l', 0, -1)).toEqual(Array.from({ length: 100 }, (_, i) => String(i)))
    })

    it('replies of several MiB, as text and as bytes', async () => {
      const redis = client()
      const text = 'ä\r\n$-1\r\n'.repeat(400_000)
      const bytes = Buffer.alloc(3 << 20, Buffer.from([0, 13, 10, 255, 128]))
      const [, , asText, , asBytes] = await Promise.all([
        redis.set('t', text),
        redis.set('b', bytes),
        redis.get('t'),
        redis.strlen('t'),
        redis.getBuffer('b'),
      ])
      expect(asText === text).toBe(true)
      expect(Buffer.compare(asBytes, bytes)).toBe(0)
    })

    it('Buffers handed out stay as they are, whatever comes after them', async () => {
      const redis = client()
      const values = Array.from({ length: 200 }, (_, i) => Buffer.alloc(1 + i * 97, i))
      await Promise.all(values.map((value, i) => redis.set(`k${i}`, value)))
      const held = await Promise.all(values.map((_, i) => redis.getBuffer(`k${i}`)))
      for (let i = 0; i < 5; i++) await redis.echo('x'.repeat(100_000))
      expect(held.every((value, i) => values[i]?.equals(value))).toBe(true)
    })

    it('replies of many elements', async () => {
      const redis = client()
      const values = Array.from({ length: 20_000 }, (_, i) => `value ${i}`)
      expect(await redis.rpush('l', values)).toBe(20_000)
      expect(await redis.lrange('l', 0, -1)).toEqual(values)
      await redis.hset('h', Object.fromEntries(values.map((value, i) => [value, i])))
      const all = await redis.hgetall('h')
      expect(Object.keys(all)).toHaveLength(20_000)
      expect(all['value 19999']).toBe('19999')
    })

    it('100 clients at once', async () => {
      const clients = Array.from({ length: 100 }, () => client())
      const replies = await Promise.all(clients.map(redis => redis.incr('n')))
      expect([...replies].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
      await eventually(async () => {
        const list = String(await server.command('CLIENT', 'LIST'))
        expect(list.split('\n').filter(line => line.startsWith('id=')).length).toBeGreaterThanOrEqual(100)
      })
    })
  })
})
