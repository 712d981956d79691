// Races: a cache between callers and a server of which every step is chosen: when a command is run, when its reply and the news
// it causes are read, when the connection goes. What must hold is in docs/caching.md.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ClientCache, type Request } from '../../../src/cache/client-cache.js'
import type { CacheConfig } from '../../../src/cache/policy.js'
import { type Call, CallFlag, noTimeoutMs, type Outcome } from '../../../src/command/call.js'
import { type Argument, nameFor, resolveCommand } from '../../../src/command/command.js'
import { Issuer } from '../../../src/command/issuer.js'
import { type ReplyError, replyError, type SlotwiseError, stacklessError } from '../../../src/errors.js'
import type { Node, NodeListener } from '../../../src/node/node.js'
import type { Reply } from '../../../src/resp/decoder.js'
import { Turn } from '../../../src/turn.js'

const config: CacheConfig = {
  maxBytes: 1 << 20,
  maxEntries: 1000,
  ttlMs: 0,
  prefixes: null,
  commands: null,
  mode: 'tracking',
}
const lost = stacklessError('SLOTWISE_CONNECTION_LOST', 'lost', {})

/** One server and a connection to it, in slow motion. */
class Bench {
  readonly issuer = new Issuer(
    { timeoutMs: 1000, maxQueueAgeMs: 1000, maxQueuedBytes: 1 << 20, maxQueuedCalls: 1000 },
    new Turn(),
  )
  /** Calls on their way to the server. */
  readonly sent: Call[] = []
  /** Calls that have been sent, settled or not. */
  readonly #open: Call[] = []
  /** What the server has said and nobody has read. */
  readonly stream: (() => void)[] = []
  readonly data = new Map<string, number>()
  readonly tracked = new Set<string>()
  readonly node = this.#makeNode()
  readonly other = { ...this.#makeNode(), endpoint: { key: 'other:1' } }
  owner: object | null = this.node
  connection = {}
  readonly cache: ClientCache<Request>
  readonly news: NodeListener

  constructor(more: Partial<CacheConfig> = {}) {
    this.cache = new ClientCache({ ...config, ...more }, this.issuer, new Turn(), {
      issue: ({ command, args, slot, options }, resolve, flags) => {
        const call = this.issuer.issue(command, args, slot, options.flags | flags, noTimeoutMs, resolve)
        if (options.signal !== null) this.issuer.watch(call, options.signal)
        return call
      },
      dispatch: call => this.send(call),
      topology: { map: { primaryOf: () => this.owner as Node | null } },
    })
    const ignore = () => undefined
    this.news = this.cache.watching({
      onNodeReady: ignore,
      onNodeLost: ignore,
      onDialFailed: ignore,
      onReplyError: (_node, call, error) => call.fail(error),
      onPush: ignore,
      onHandBack: ignore,
    })
    this.connect()
  }

  #makeNode() {
    const bench = this
    return {
      endpoint: { key: 'node:1' },
      state: 'ready',
      isReady: true,
      protocol: 3,
      get connection() {
        return bench.connection
      },
      send: (call: Call) => call.fulfil('OK'),
    }
  }

  get shared(): Node {
    return this.node as unknown as Node
  }

  connect(): void {
    this.connection = {}
    this.tracked.clear()
    this.news.onNodeReady(this.shared)
  }

  send(call: Call): void {
    if (call.settled) return
    if (call.has(CallFlag.stamped)) call.extras = { ...call.extras, stamp: this.connection }
    call.markSent()
    this.sent.push(call)
    this.#open.push(call)
  }

  /** The server runs the next command that has been sent. */
  run(): void {
    const call = this.sent.shift()
    if (call === undefined) return
    const [key = ''] = call.args as string[]
    if (call.spec.name === 'GET') {
      const value = this.data.get(key)
      this.tracked.add(key)
      this.stream.push(() => call.fulfil(value === undefined ? null : String(value)))
    } else {
      const value = this.bump(key, false)
      this.stream.push(() => call.fulfil(value))
      this.#announce(key)
    }
  }

  /** Somebody changes a key on the server. */
  bump(key: string, announced = true): number {
    const value = (this.data.get(key) ?? 0) + 1
    this.data.set(key, value)
    if (announced) this.#announce(key)
    return value
  }

  #announce(key: string): void {
    if (this.tracked.delete(key)) this.stream.push(() => this.invalidate([key]))
  }

  invalidate(keys: string[] | null): void {
    const items = keys?.map(key => Buffer.from(key)) ?? null
    this.news.onPush(this.shared, 'invalidate', [Buffer.from('invalidate'), items])
  }

  /** The client reads the next thing the server has said. */
  read(): void {
    this.stream.shift()?.()
  }

  readAll(): void {
    while (this.sent.length > 0) this.run()
    while (this.stream.length > 0) this.read()
  }

  /** The connection goes, with all that was on it; reads are sent again on the next one. */
  cut(): void {
    const calls = this.#open.splice(0).filter(call => !call.settled)
    this.stream.length = 0
    this.sent.length = 0
    this.news.onNodeLost(this.shared, lost)
    this.connect()
    for (const call of calls) {
      call.markUnsent(true, lost)
      this.send(call)
    }
  }

  call(name: string, args: Argument[], signal: AbortSignal | null = null, flags = 0): Promise<Reply> {
    const request = { command: nameFor(resolveCommand(name), args), args, slot: 7, options: { flags, signal } }
    const known = this.cache.find(request)
    if (known !== undefined) return Promise.resolve(known)
    return new Promise(resolve => {
      const took = this.cache.start(request, 0, resolve as (outcome: Outcome) => void)
      if (!took) {
        this.send(
          this.issuer.issue(request.command, args, 7, flags, noTimeoutMs, resolve as (outcome: Outcome) => void),
        )
      }
    })
  }

  get(key: string, signal: AbortSignal | null = null): Promise<Reply> {
    return this.call('GET', [key], signal)
  }

  get counted() {
    return this.cache.inspect()
  }
}

async function failure(call: Promise<unknown>): Promise<SlotwiseError | ReplyError> {
  return (await call.then(
    () => null,
    error => error,
  )) as SlotwiseError
}

describe('a reply is kept', () => {
  it('when nothing has come between', async () => {
    const bench = new Bench()
    bench.data.set('k', 1)
    const first = bench.get('k')
    bench.readAll()
    expect(await first).toBe('1')
    expect(await bench.get('k')).toBe('1')
    expect(bench.counted).toMatchObject({ hits: 1, misses: 1, entries: 1, trackedNodes: 1 })
  })

  it('when it says that there is nothing', async () => {
    const bench = new Bench()
    const first = bench.get('k')
    bench.readAll()
    expect(await first).toBeNull()
    expect(await bench.get('k')).toBeNull()
    expect(bench.counted.hits).toBe(1)
  })
})

describe('a reply is given to its caller, and not kept', () => {
  const cases: [string, (bench: Bench) => void][] = [
    ['when its key is invalidated before it comes', bench => bench.invalidate(['k'])],
    ['when everything is invalidated before it comes', bench => bench.invalidate(null)],
    ['when the connection is replaced before it comes', bench => bench.news.onNodeLost(bench.shared, lost)],
    [
      'when the slot moves before it comes',
      bench => {
        bench.owner = bench.other
        bench.cache.onMapChanged()
      },
    ],
    [
      'when the slot is gone and back before it comes',
      bench => {
        bench.owner = bench.other
        bench.cache.onMapChanged()
        bench.owner = bench.node
        bench.cache.onMapChanged()
      },
    ],
    [
      'when another call got MOVED for its slot before it comes',
      bench => {
        const other = bench.issuer.issue(resolveCommand('GET'), ['x'], 7, 0, noTimeoutMs, outcome => {
          if (outcome instanceof Promise) outcome.catch(() => undefined)
        })
        other.markSent()
        bench.news.onReplyError(bench.shared, other, replyError('MOVED 7 other:1'))
        bench.cache.onTurnEnd()
      },
    ],
    [
      'when it comes on another connection',
      bench => Object.assign((bench.sent[0] as Call).extras as object, { stamp: {} }),
    ],
    [
      'when the call has been sent twice',
      bench => {
        const call = bench.sent.shift() as Call
        call.markUnsent(false, new Error('TRYAGAIN'))
        bench.send(call)
      },
    ],
    [
      'when the call has been redirected',
      bench => Object.assign((bench.sent[0] as Call).extras as object, { redirects: 1 }),
    ],
    ['when the client is closing', bench => bench.cache.end()],
  ]
  it.each(cases)('%s', async (_name, between) => {
    const bench = new Bench()
    bench.data.set('k', 1)
    const first = bench.get('k')
    between(bench)
    bench.readAll()
    expect(await first).toBe('1')
    expect(bench.counted.entries).toBe(0)
  })

  it('when it is an error', async () => {
    const bench = new Bench()
    const [first, second] = [bench.get('k'), bench.get('k')]
    ;(bench.sent[0] as Call).fail(replyError('WRONGTYPE no'))
    expect((await failure(first)).message).toBe('WRONGTYPE no')
    expect((await failure(second)).message).toBe('WRONGTYPE no')
    expect(bench.counted).toMatchObject({ entries: 0, shared: 1 })
  })
})

describe('equal reads', () => {
  it('share one call, and each gets a reply of its own', async () => {
    const bench = new Bench()
    const reads = Array.from({ length: 5 }, () => bench.call('HGETALL', ['h']))
    expect(bench.sent).toHaveLength(1)
    expect(bench.counted).toMatchObject({ misses: 1, shared: 4, waiting: 4 })
    ;(bench.sent[0] as Call).fulfil(new Map([['a', '1']]))
    const maps = (await Promise.all(reads)) as Map<string, string>[]
    for (const map of maps) {
      expect(map).toEqual(new Map([['a', '1']]))
      map.clear()
    }
    expect(await bench.call('HGETALL', ['h'])).toEqual(new Map([['a', '1']]))
    expect(bench.counted.waiting).toBe(0)
    expect(bench.issuer.settled).toBe(bench.issuer.issued)
  })

  it('go on without the one that is aborted, whichever it is', async () => {
    for (const aborted of [0, 1, 2]) {
      const bench = new Bench()
      bench.data.set('k', 1)
      const controllers = [0, 1, 2].map(() => new AbortController())
      const reads = controllers.map(({ signal }) => bench.get('k', signal))
      controllers[aborted]?.abort()
      bench.readAll()
      for (const [i, read] of reads.entries()) {
        if (i === aborted) expect(await failure(read)).toMatchObject({ code: 'SLOTWISE_ABORTED' })
        else expect(await read).toBe('1')
      }
      expect(bench.issuer.settled).toBe(bench.issuer.issued)
    }
  })

  it('all end when the client is closed', async () => {
    const bench = new Bench()
    const reads = [bench.get('k'), bench.get('k'), bench.get('k')]
    bench.cache.end()
    ;(bench.sent[0] as Call).failWith('SLOTWISE_CLOSED', 'The client is closed', {})
    for (const read of reads) expect(await failure(read)).toMatchObject({ code: 'SLOTWISE_CLOSED' })
    expect(bench.counted.waiting).toBe(0)
  })

  it('are not joined by one that was made after an own change of the key', async () => {
    const bench = new Bench()
    bench.data.set('k', 1)
    const before = bench.get('k')
    const change = bench.call('INCR', ['k'])
    const after = bench.get('k')
    bench.readAll()
    expect(await Promise.all([before, change, after])).toEqual(['1', 2, '2'])
  })

  it('are not joined by one with Buffers', async () => {
    const bench = new Bench()
    void bench.get('k')
    void bench.call('GET', ['k'], null, CallFlag.buffers)
    expect(bench.sent).toHaveLength(2)
  })

  it('each wait for themselves when the connection is lost', async () => {
    const bench = new Bench()
    bench.data.set('k', 1)
    const reads = [bench.get('k'), bench.get('k'), bench.get('k')]
    bench.cut()
    expect(bench.sent).toHaveLength(3)
    expect(bench.counted.waiting).toBe(0)
    bench.readAll()
    expect(await Promise.all(reads)).toEqual(['1', '1', '1'])
    expect(bench.counted).toMatchObject({ entries: 0, flushes: 1 })
  })
})

describe('MGET', () => {
  const read = (bench: Bench, ...keys: string[]) => bench.call('MGET', keys)

  it('asks for what is missing only, and shares entries with GET', async () => {
    const bench = new Bench()
    bench.data.set('a', 1)
    const a = bench.get('a')
    bench.readAll()
    await a
    const first = read(bench, 'b', 'a', 'c')
    expect(bench.sent[0]?.args).toEqual(['b', 'c'])
    bench.sent.shift()?.fulfil(['2', null])
    expect(await first).toEqual(['2', '1', null])
    expect(await read(bench, 'c', 'b', 'a')).toEqual([null, '2', '1'])
    expect(await bench.get('b')).toBe('2')
    // Null from MGET may stand for a key that holds no string; GET would be an error.
    void bench.get('c')
    expect(bench.sent).toHaveLength(1)
    expect(bench.counted).toMatchObject({ hits: 5, misses: 4 })
  })

  it('keeps nothing when one of its keys is invalidated meanwhile', async () => {
    const bench = new Bench()
    const first = read(bench, 'a', 'b')
    bench.invalidate(['b'])
    bench.sent.shift()?.fulfil(['1', '2'])
    expect(await first).toEqual(['1', '2'])
    expect(bench.counted.entries).toBe(0)
  })

  it('is sent as it is when it is aborted, has no key, or none that is cached', async () => {
    const bench = new Bench({ prefixes: ['x'] })
    void read(bench, 'a', 'b')
    expect(bench.sent[0]?.args).toEqual(['a', 'b'])
    void read(bench)
    expect(bench.counted).toMatchObject({ hits: 0, misses: 0 })
  })
})

describe('bounds', () => {
  it('hold, and what was used last stays', async () => {
    const bench = new Bench({ maxEntries: 16 })
    for (let i = 0; i < 100; i++) {
      for (const key of ['hot', `k${i}`]) {
        const value = bench.get(key)
        bench.readAll()
        await value
      }
    }
    expect(bench.counted).toMatchObject({ entries: 16, evictions: 85, hits: 99 })
  })

  it('hold for bytes, too, and one that is too large is not kept', async () => {
    const bench = new Bench({ maxBytes: 4096 })
    for (let i = 0; i < 100; i++) {
      const value = bench.get(`k${i}`)
      bench.readAll()
      await value
      expect(bench.counted.bytes).toBeLessThanOrEqual(4096)
    }
    const before = bench.counted
    const large = bench.get('large')
    bench.sent.shift()?.fulfil('x'.repeat(5000))
    await large
    expect(bench.counted).toEqual({ ...before, misses: before.misses + 1 })
  })

  it('let the event loop turn in a loop of hits', async () => {
    const bench = new Bench()
    const first = bench.get('k')
    bench.readAll()
    await first
    let turned = false
    setImmediate(() => {
      turned = true
    })
    for (let i = 0; !turned && i < 5000; i++) await bench.get('k')
    expect(turned).toBe(true)
  })
})

describe('whatever happens in whatever order', () => {
  // For each key: what was read by the client last, by whatever way, is the least that a read that begins now may give; own
  // changes count from when they have been answered; news counts from when it is read.
  type Step = { do: 'get' | 'incr' | 'bump' | 'run' | 'read' | 'cut' | 'move'; key: string }
  const step: fc.Arbitrary<Step> = fc.record({
    do: fc.constantFrom<Step['do'][]>(
      'get',
      'get',
      'get',
      'incr',
      'bump',
      'run',
      'run',
      'read',
      'read',
      'read',
      'cut',
      'move',
    ),
    key: fc.constantFrom('a', 'b'),
  })

  it('no read gives a value older than what its client had heard of when it began', async () => {
    let hits = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
        const bench = new Bench()
        const known = new Map<string, number>()
        const learn = (key: string, value: number) => known.set(key, Math.max(known.get(key) ?? 0, value))
        const checks: Promise<void>[] = []
        // News tells nothing but that there is something newer than what was read before.
        const announced = bench.invalidate.bind(bench)
        const at = new Map<string, number>()
        bench.invalidate = keys => {
          for (const key of keys ?? []) learn(key, at.get(key) ?? 0)
          announced(keys)
        }
        const get = (key: string) => {
          const least = known.get(key) ?? 0
          const check = async () => {
            const value = Number(await bench.get(key))
            expect(value).toBeGreaterThanOrEqual(least)
            learn(key, value)
          }
          checks.push(check())
        }
        for (const { do: what, key } of steps) {
          if (what === 'get') get(key)
          else if (what === 'incr') {
            checks.push(
              bench.call('INCR', [key]).then(
                value => void learn(key, value as number),
                () => undefined,
              ),
            )
          } else if (what === 'bump') {
            // The version that the news on its way is about.
            const wasTracked = bench.tracked.has(key)
            const value = bench.bump(key)
            if (wasTracked) at.set(key, value)
          } else if (what === 'run') bench.run()
          else if (what === 'read') bench.read()
          else if (what === 'cut') bench.cut()
          else {
            bench.owner = bench.owner === bench.node ? bench.other : bench.node
            bench.cache.onMapChanged()
          }
          // What has been read reaches its callers before the next step.
          await new Promise(resolve => setImmediate(resolve))
        }
        bench.readAll()
        await Promise.all(checks)
        expect(bench.issuer.settled).toBe(bench.issuer.issued)
        expect(bench.counted.waiting).toBe(0)
        hits += bench.counted.hits
      }),
      { numRuns: 300 },
    )
    expect(hits).toBeGreaterThan(0)
  })
})
