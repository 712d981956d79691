// The fake server of slotwise/testing does what a real server does: the same commands on both, the same bytes back.

import fc from 'fast-check'
import { FakeServer } from 'slotwise/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { RawPeer } from '../support/raw-peer.js'

type Words = string[]

const keys = ['a', 'b', 'c', 'd']
const key = fc.constantFrom(...keys)
const text = fc.oneof(
  fc.constantFrom('', '0', '1', '-1', '007', '-0', '+5', ' 3', '9223372036854775807', '-9223372036854775808', '1.5'),
  fc.string({ maxLength: 6 }),
  fc.string({ unit: 'binary', maxLength: 3 }),
)
const field = fc.constantFrom('f', 'g', 'h')
const number = fc.oneof(
  fc.integer({ min: -5, max: 5 }).map(String),
  fc.constantFrom('x', '', '9223372036854775807', '-9223372036854775808', '92233720368547758070'),
)
/** Never so near that it could end during a test. */
const seconds = fc.constantFrom('100', '-1', '0', 'x', '9223372036854775807', '9223372036854776')
const anyCase = (word: string) => fc.constantFrom(word, word.toLowerCase())
const words = (...parts: (string | fc.Arbitrary<string> | fc.Arbitrary<readonly string[]>)[]): fc.Arbitrary<Words> =>
  fc.tuple(...parts.map(part => (typeof part === 'string' ? fc.constant(part) : part))).map(found => found.flat())
const some = (part: fc.Arbitrary<string>, minLength = 1) => fc.array(part, { minLength, maxLength: 4 })
const pairs = (part: fc.Arbitrary<string>) =>
  fc.array(fc.tuple(part, text), { minLength: 1, maxLength: 3 }).map(found => found.flat())

const setOption = fc.oneof(
  fc.constantFrom(['NX'], ['xx'], ['GET'], ['KEEPTTL'], ['FOO'], ['EX'], ['EX', '100'], ['px', '100000'], ['PX', '0']),
  seconds.map(amount => ['EX', amount]),
  fc.constant(['PXAT', '99999999999999']),
)
const expireOption = fc.constantFrom('NX', 'XX', 'GT', 'lt', 'FOO')

const command: fc.Arbitrary<Words> = fc.oneof(
  words('GET', key),
  words('SET', key, text),
  fc
    .tuple(key, text, fc.array(setOption, { maxLength: 3 }))
    .map(([name, value, options]) => ['SET', name, value, ...options.flat()]),
  words('SETNX', key, text),
  words('SETEX', key, seconds, text),
  words('PSETEX', key, seconds, text),
  words('GETSET', key, text),
  words('GETDEL', key),
  words('MGET', some(key)),
  words('MSET', pairs(key)),
  words('MSETNX', pairs(key)),
  words('MSET', some(text, 2)),
  words(fc.constantFrom('INCR', 'DECR', 'STRLEN', 'TYPE', 'PERSIST', 'LLEN', 'HLEN', 'SCARD'), key),
  words(fc.constantFrom('INCRBY', 'DECRBY'), key, number),
  words('APPEND', key, text),
  words(fc.constantFrom('DEL', 'UNLINK', 'EXISTS', 'TOUCH'), some(key)),
  words(fc.constantFrom('EXPIRE', 'PEXPIREAT', 'EXPIREAT'), key, seconds, fc.array(expireOption, { maxLength: 2 })),
  words('PEXPIRE', key, fc.constantFrom('100000', '-1', 'x')),
  words('TTL', key),
  words('HSET', key, pairs(field)),
  words('HSET', key, some(text, 2)),
  words('HMSET', key, pairs(field)),
  words('HSETNX', key, field, text),
  words('HGET', key, field),
  words('HMGET', key, some(field)),
  words(fc.constantFrom('HGETALL', 'HKEYS', 'HVALS'), key),
  words('HEXISTS', key, field),
  words('HDEL', key, some(field)),
  words('HINCRBY', key, field, number),
  words(fc.constantFrom('LPUSH', 'RPUSH', 'LPUSHX', 'RPUSHX'), key, some(text)),
  words(fc.constantFrom('LPOP', 'RPOP'), key),
  words(fc.constantFrom('LPOP', 'RPOP'), key, number),
  words('LPOP', key, '1', '1'),
  words('LRANGE', key, number, number),
  words('LINDEX', key, number),
  words(fc.constantFrom('BLPOP', 'BRPOP'), some(key), fc.constantFrom('x', '-1', '', '0.01')),
  words(fc.constantFrom('SADD', 'SREM'), key, some(text)),
  words('SMEMBERS', key),
  words('SISMEMBER', key, text),
  words('KEYS', fc.constantFrom('*', '?', '[ab]', '[^ab]', '[a-c]', 'a', '\\a', 'b*')),
  words(
    'SCAN',
    '0',
    'COUNT',
    fc.constantFrom('100', '0', 'x'),
    fc.constantFrom([], ['MATCH', '[a-c]'], ['TYPE', 'hash']),
  ),
  words('SCAN', 'x'),
  words('DBSIZE'),
  words(fc.constantFrom('FLUSHALL', 'FLUSHDB'), fc.constantFrom([], ['ASYNC'], ['sync'], ['x'])),
  words('ECHO', text),
  words('PING', fc.array(text, { maxLength: 2 })),
  words('SELECT', fc.constantFrom('0', '1', '16', '-1', 'x')),
  words(anyCase('MULTI')),
  words(anyCase('EXEC')),
  words('DISCARD'),
  words('WATCH', some(key)),
  words('UNWATCH'),
  words('WAIT', fc.constantFrom('0', 'x'), fc.constantFrom('1', '-1', 'x')),
  words('HELLO', fc.constantFrom('4', 'x')),
  words('HELLO', fc.constantFrom('2', '3'), 'FOO'),
  words('AUTH', text),
  words('CLIENT', fc.constantFrom(['GETNAME'], ['SETNAME', 'me'], ['SETNAME', 'a b'], ['FOO'], ['NO-EVICT', 'x'], [])),
  words('CLUSTER', fc.constantFrom(['SLOTS'], ['KEYSLOT', 'a'], ['KEYSLOT'], ['FOO'])),
  words(fc.constantFrom('READONLY', 'READWRITE', 'ASKING')),
  words('PUBLISH', key, text),
  words('PUBSUB', fc.constantFrom(['CHANNELS'], ['NUMSUB', 'a'], ['NUMPAT'], ['CHANNELS', 'b*'])),
  words(fc.constantFrom('GET', 'SET', 'HSET', 'EXEC', 'LPOP', 'NOSUCH')),
  words(fc.constantFrom('GET', 'NOSUCH', 'DBSIZE', 'ECHO'), text, text),
)

const unordered = new Set(['SMEMBERS', 'KEYS', 'SCAN'])

/** Replies as they are compared: sets have no order, and an unknown command is owned to. */
function comparable(sent: readonly Words[], replies: readonly unknown[]): unknown[] {
  const sorted = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : value
  const isUnordered = sent.some(([name = '']) => unordered.has(name))
  return replies.map((reply, i) => {
    if (typeof reply === 'string') return reply.replace(/\(this is a fake server.*$/, '')
    const name = sent[i]?.[0]?.toUpperCase() ?? ''
    return unordered.has(name) || (name === 'EXEC' && isUnordered) ? sorted(reply) : reply
  })
}

describe('a fake server and a real one', () => {
  let real: LocalServer
  let fake: FakeServer
  beforeAll(async () => {
    ;[real, fake] = await Promise.all([LocalServer.start(), FakeServer.start()])
  })
  afterAll(async () => {
    await Promise.all([real?.stop(), fake?.close()])
  })

  it.each([2, 3] as const)('answer the same to any commands, with RESP%i', async protocol => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 30 }), async sent => {
        const ask = async (port: number) => {
          const peer = await RawPeer.connect(port, protocol)
          try {
            await peer.ask([['FLUSHALL']])
            return comparable(sent, await peer.ask(sent))
          } finally {
            peer.close()
          }
        }
        const [expected, actual] = await Promise.all([ask(real.port), ask(fake.port)])
        expect(actual).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })

  it.each([2, 3] as const)('say the same to subscribers, with RESP%i', async protocol => {
    await fc.assert(
      fc.asyncProperty(fc.array(subscriberCommand, { minLength: 1, maxLength: 12 }), async sent => {
        const ask = async (port: number) => {
          const peer = await RawPeer.connect(port, protocol)
          peer.say([...sent, ['QUIT']])
          return withoutOrder(await peer.hearAll())
        }
        const [expected, actual] = await Promise.all([ask(real.port), ask(fake.port)])
        expect(actual).toEqual(expected)
      }),
      { numRuns: 200 },
    )
  })

  it.each([2, 3] as const)('serve those who wait for lists in the same way, with RESP%i', async protocol => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(blocking, { minLength: 1, maxLength: 4 }),
        fc.array(feeding, { maxLength: 8 }),
        async (waits, feeds) => {
          const play = async ({ port }: { port: number }) => {
            const [feeder, admin] = await Promise.all([RawPeer.connect(port), RawPeer.connect(port)])
            const peers: RawPeer[] = []
            try {
              await feeder.ask([['FLUSHALL']])
              for (const [i, words] of waits.entries()) {
                const peer = await RawPeer.connect(port, protocol)
                peers.push(peer)
                peer.say([words, ['ECHO', 'behind it']])
                // Who comes first is served first: the server has to have them in this order.
                await until(async () =>
                  String(await admin.ask([['INFO', 'clients']])).includes(`blocked_clients:${i + 1}`),
                )
              }
              const fed = await feeder.ask(feeds)
              const ids =
                String(await admin.ask([['CLIENT', 'LIST']])).match(/(?<=\bid=)\d+(?=[^\n]*cmd=b[lr]pop)/g) ?? []
              const woken = await admin.ask(ids.map(id => ['CLIENT', 'UNBLOCK', id]))
              const replies = await Promise.all(peers.map(peer => peer.hear(2)))
              return { fed, woken, replies, left: comparable([['KEYS']], await admin.ask([['KEYS', '*']])) }
            } finally {
              for (const peer of [feeder, admin, ...peers]) peer.close()
            }
          }
          expect(await play(fake)).toEqual(await play(real))
        },
      ),
      { numRuns: 60 },
    )
  })
})

/** Whoever leaves everything at once is told in any order, and so is whoever has several patterns that match. */
function withoutOrder(replies: readonly unknown[]): unknown {
  const left: unknown[] = []
  const rest = replies.map(reply => {
    if (!Array.isArray(reply) || !/unsubscribe$|pmessage$/.test(String(reply[1]))) return reply
    left.push(`${reply[1]} ${reply[2]}`)
    return [reply[0], reply[1], ...reply.slice(3)]
  })
  return { rest, left: left.sort() }
}

const channels = fc.array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 3 })
const patterns = fc.array(fc.constantFrom('a*', '?', '[ab]', 'ab'), { minLength: 1, maxLength: 2 })
const subscriberCommand: fc.Arbitrary<readonly string[]> = fc.oneof(
  channels.map(names => ['SUBSCRIBE', ...names]),
  channels.map(names => ['SSUBSCRIBE', ...names]),
  patterns.map(names => ['PSUBSCRIBE', ...names]),
  channels.map(names => ['UNSUBSCRIBE', ...names]),
  channels.map(names => ['SUNSUBSCRIBE', ...names]),
  patterns.map(names => ['PUNSUBSCRIBE', ...names]),
  fc.constantFrom(
    ['UNSUBSCRIBE'],
    ['PUNSUBSCRIBE'],
    ['SUNSUBSCRIBE'],
    ['PING'],
    ['PING', 'x'],
    ['GET', 'k'],
    ['RESET'],
  ),
  fc.constantFrom('a', 'b', 'ab').map(name => ['PUBLISH', name, 'hello']),
  fc.constantFrom('a', 'b').map(name => ['SPUBLISH', name, 'hello']),
)
const blocking = fc
  .tuple(fc.constantFrom('BLPOP', 'BRPOP'), fc.array(key, { minLength: 1, maxLength: 3 }))
  .map(([name, names]) => [name, ...names, '0'])
const feeding: fc.Arbitrary<readonly string[]> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('LPUSH', 'RPUSH'),
      key,
      fc.array(fc.constantFrom('1', '2', '3'), { minLength: 1, maxLength: 3 }),
    )
    .map(([name, list, elements]) => [name, list, ...elements]),
  key.map(list => ['SADD', list, 'member']),
  key.map(list => ['DEL', list]),
  fc.constantFrom(['MULTI'], ['EXEC'], ['RPUSHX', 'a', 'x']),
)

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue()));
}
