// Which replies are kept: every way in which one may have become old on its way.

import { beforeEach, describe, expect, it } from 'vitest'
import { ClientCache } from '../../../src/cache/client-cache.js'
import type { CacheHost, Read } from '../../../src/cache/host.js'
import type { CacheConfig } from '../../../src/cache/options.js'
import { type Call, CallFlag, noTimeoutMs, type Outcome } from '../../../src/command/call.js'
import { type Argument, resolveCommand } from '../../../src/command/command.js'
import { Issuer } from '../../../src/command/issuer.js'
import { replyError, stacklessError } from '../../../src/errors.js'
import type { Node } from '../../../src/node/node.js'
import type { Reply } from '../../../src/resp/decoder.js'
import { Turn } from '../../../src/turn.js'

const limits = { maxQueuedBytes: 1e6, maxQueuedCalls: 1000, maxQueueAgeMs: 5000, timeoutMs: 0 }
const config: CacheConfig = { maxBytes: 1e6, maxEntries: 100, ttlMs: 0, commands: null, prefixes: [], mode: 'tracking' }
const lost = stacklessError('SLOTWISE_CONNECTION_LOST', 'lost')

/** A server as the cache sees it: a connection that takes the client's own calls, and is tracked once they are answered. */
class FakeNode {
  state = 'ready'
  readonly endpoint = { key: 'fake' }
  connection = this.#connect()

  #connect() {
    return { protocol: 3, send: (call: Call) => call.fulfil('OK') }
  }

  reconnect(): void {
    this.connection = this.#connect()
  }

  get asNode(): Node {
    return this as unknown as Node
  }
}

let issuer: Issuer
let cache: ClientCache<Read>
let a: FakeNode
let b: FakeNode
let owner: FakeNode
/** Calls on their way to the servers, in order. */
let wire: Call[]

beforeEach(() => {
  issuer = new Issuer(limits, new Turn())
  wire = []
  const host: CacheHost<Read> = {
    issue: ({ command, args, slot, options }, resolve, flags) => {
      const told = cache.onIssue(command.spec, args, resolve)
      const call = issuer.issue(command, args, slot, options.flags | flags, noTimeoutMs, told)
      if (options.signal !== null) issuer.watch(call, options.signal)
      return call
    },
    issueInternal: (name, args, flags, resolve) => issuer.issueInternal(name, args, noTimeoutMs, flags, resolve),
    dispatch: call => {
      if (call.has(CallFlag.stamped)) (call.extras ??= {}).carrier = owner.connection
      wire.push(call)
    },
    charge: call => issuer.budget.charge(call),
    ownerOf: () => owner.asNode,
  }
  cache = new ClientCache(config, host, new Turn(), { backoffMinMs: 1, backoffMaxMs: 1 })
  a = new FakeNode()
  b = new FakeNode()
  owner = a
  cache.onNodeReady(a.asNode)
  cache.onNodeReady(b.asNode)
})

const readOf = (name: string, args: Argument[], signal: AbortSignal | null = null, flags = 0): Read => {
  return { command: resolveCommand(name), args, slot: 5, options: { flags, signal } }
}

/** Makes a call as the engine does. */
function run(name: string, args: Argument[], signal: AbortSignal | null = null, flags = 0): Promise<Reply> {
  const read = readOf(name, args, signal, flags)
  return new Promise(resolve => {
    const take = resolve as (outcome: Outcome) => void
    if (cache.take(read, 0, take)) return
    const told = cache.onIssue(read.command.spec, args, take)
    wire.push(issuer.issue(read.command, args, 5, flags, noTimeoutMs, told))
  })
}
const get = (signal: AbortSignal | null = null) => run('GET', ['k'], signal)
const next = () => wire.shift() as Call
const invalidate = (keys: string[] | null, node = a) =>
  cache.onPush(node.asNode, 'invalidate', ['invalidate', keys?.map(key => Buffer.from(key)) ?? null])
const isKept = () => cache.hit('GET', ['k']) !== undefined

/** A read is on its way; `event` happens; the reply comes. */
async function readDuring(event: (call: Call) => void): Promise<void> {
  const reply = get()
  const call = next()
  event(call)
  call.fulfil('value')
  expect(await reply).toBe('value')
}

describe('a reply is kept', () => {
  it('when nothing happens', async () => {
    await readDuring(() => {})
    expect(cache.hit('GET', ['k'])).toBe('value')
    expect(await get()).toBe('value')
    expect(wire).toEqual([])
  })

  it('when another key changes', async () => {
    await readDuring(() => invalidate(['other']))
    expect(isKept()).toBe(true)
  })
})

describe('a reply is given to its caller, and not kept, when', () => {
  it.each<[string, (call: Call) => void]>([
    ['its key changes', () => invalidate(['k'])],
    ['all keys change', () => invalidate(null)],
    ['its connection is lost', () => cache.onNodeLost(a.asNode)],
    [
      'its connection is lost and there is another',
      () => {
        cache.onNodeLost(a.asNode)
        a.reconnect()
        cache.onNodeReady(a.asNode)
      },
    ],
    ['it has been sent before', call => call.markUnsent(true, lost)],
    ['it has been redirected', call => cache.onReplyError(call, replyError('MOVED 5 h:1'))],
    [
      'another call of its slot has been redirected',
      () => {
        const other = issuer.issue(resolveCommand('GET'), ['x'], 5, 0, noTimeoutMs, () => {})
        cache.onReplyError(other, replyError('ASK 5 h:1'))
      },
    ],
    [
      'it comes from another connection',
      call => {
        ;(call.extras ??= {}).carrier = {}
      },
    ],
    [
      'its slot is served by another server',
      () => {
        owner = b
      },
    ],
    [
      'its slot was served by another server for a while',
      () => {
        owner = b
        cache.onTopologyChanged()
        owner = a
      },
    ],
    ['this client writes the key', () => void run('SET', ['k', 'new'])],
    ['this client empties the server', () => void run('FLUSHALL', [])],
    ['the cache ends', () => cache.end()],
  ])('%s', async (_, event) => {
    await readDuring(event)
    expect(isKept()).toBe(false)
  })

  it('tracking is not on', async () => {
    cache.onNodeLost(a.asNode)
    await readDuring(() => {})
    expect(isKept()).toBe(false)
  })

  it('it is an error', async () => {
    const reply = get()
    next().fail(replyError('WRONGTYPE no'))
    await expect(reply).rejects.toThrow('WRONGTYPE')
    expect(isKept()).toBe(false)
  })
})

describe('what is kept is forgotten when', () => {
  it.each<[string, () => void]>([
    ['its key changes', () => invalidate(['k'])],
    ['all keys change', () => invalidate(null)],
    ['its connection is lost', () => cache.onNodeLost(a.asNode)],
    [
      'its node retires',
      () => {
        a.state = 'retired'
        cache.onTopologyChanged()
      },
    ],
    [
      'its slot moves',
      () => {
        owner = b
        cache.onTopologyChanged()
        owner = a
      },
    ],
    [
      'a call of its slot is redirected',
      () => {
        const call = issuer.issue(resolveCommand('GET'), ['x'], 5, 0, noTimeoutMs, () => {})
        cache.onReplyError(call, replyError('MOVED 5 h:1'))
      },
    ],
    ['this client writes the key, before it is sent', () => void run('APPEND', ['k', 'x'])],
    ['a script of this client names the key', () => void run('EVAL', ['return 1', '1', 'k'])],
    ['the cache ends', () => cache.end()],
  ])('%s', async (_, event) => {
    await readDuring(() => {})
    expect(isKept()).toBe(true)
    event()
    expect(isKept()).toBe(false)
  })

  it('and not when something else happens', async () => {
    await readDuring(() => {})
    invalidate(null, b)
    cache.onNodeLost(b.asNode)
    cache.onTopologyChanged()
    void run('SET', ['other', 'x'])
    expect(isKept()).toBe(true)
  })

  it('a write of this client has come back, whatever was kept while it was under way', async () => {
    const written = run('SET', ['k', 'new'])
    const write = next()
    await readDuring(() => {})
    write.fulfil('OK')
    await written
    expect(isKept()).toBe(false)
  })
})

describe('reads at the same time', () => {
  it('share one call, and each gets a value of its own', async () => {
    const replies = [run('HGETALL', ['h']), run('HGETALL', ['h']), run('hgetall', ['h'])]
    expect(wire.length).toBe(1)
    next().fulfil(new Map([['f', 'v']]))
    const maps = (await Promise.all(replies)) as Map<string, string>[]
    maps[0]?.clear()
    maps[1]?.set('f', 'changed')
    expect(maps[2]).toEqual(new Map([['f', 'v']]))
    expect(cache.hit('HGETALL', ['h'])).toEqual(new Map([['f', 'v']]))
    expect(cache.inspect()).toMatchObject({ misses: 1, shared: 2 })
  })

  it('do not share with one whose key has changed since', async () => {
    const first = get()
    invalidate(['k'])
    const second = get()
    expect(wire.length).toBe(2)
    next().fulfil('old')
    next().fulfil('new')
    expect([await first, await second, cache.hit('GET', ['k'])]).toEqual(['old', 'new', 'new'])
  })

  it('do not share across a write of their own client', async () => {
    const first = get()
    const written = run('SET', ['k', 'new'])
    const second = get()
    expect(wire.map(call => call.spec.name)).toEqual(['GET', 'SET', 'GET'])
    next().fulfil('old')
    next().fulfil('OK')
    next().fulfil('new')
    expect([await first, await written, await second]).toEqual(['old', 'OK', 'new'])
  })

  it('do not share strings with Buffers', () => {
    void get()
    void run('GET', ['k'], null, CallFlag.buffers)
    expect(wire.length).toBe(2)
  })

  it('share an error reply', async () => {
    const replies = [get(), get()]
    next().fail(replyError('WRONGTYPE no'))
    for (const reply of replies) await expect(reply).rejects.toThrow('WRONGTYPE')
  })

  it('go on when the one that leads them is aborted', async () => {
    const abort = new AbortController()
    const replies = [get(abort.signal), get(), get()]
    next()
    abort.abort()
    await expect(replies[0]).rejects.toMatchObject({ code: 'SLOTWISE_ABORTED' })
    expect(wire.length).toBe(1)
    next().fulfil('value')
    expect(await Promise.all(replies.slice(1))).toEqual(['value', 'value'])
  })

  it('go on when one that follows is aborted', async () => {
    const abort = new AbortController()
    const replies = [get(), get(abort.signal), get()]
    abort.abort()
    await expect(replies[1]).rejects.toMatchObject({ code: 'SLOTWISE_ABORTED' })
    next().fulfil('value')
    expect([await replies[0], await replies[2]]).toEqual(['value', 'value'])
    expect(cache.countWaiting()).toBe(0)
  })

  it('each wait for themselves once their connection is lost', async () => {
    const replies = [get(), get(), get()]
    expect([wire.length, cache.countWaiting()]).toEqual([1, 2])
    cache.onNodeLost(a.asNode)
    expect([wire.length, cache.countWaiting()]).toEqual([3, 0])
    for (const call of wire) call.fulfil('value')
    expect(await Promise.all(replies)).toEqual(['value', 'value', 'value'])
  })

  it('are settled, every one, and nothing is left charged', async () => {
    const replies = [get(), get(), get()]
    expect(issuer.budget.calls).toBe(2)
    next().fulfil('value')
    await Promise.all(replies)
    expect([issuer.issued - issuer.settled, issuer.budget.calls, issuer.budget.bytes]).toEqual([0, 0, 0])
  })

  it('go on their own where there is no room for more that waits', async () => {
    const replies = Array.from({ length: limits.maxQueuedCalls + 3 }, () => get())
    expect(wire.length).toBe(3)
    for (const call of wire) call.fulfil('value')
    expect(new Set(await Promise.all(replies))).toEqual(new Set(['value']))
  })
})

describe('MGET', () => {
  it('asks for what is missing only, and shares what GET has', async () => {
    await readDuring(() => {})
    const reply = run('MGET', ['a', 'k', 'b'])
    expect(wire[0]?.args).toEqual(['a', 'b'])
    next().fulfil(['1', null])
    expect(await reply).toEqual(['1', 'value', null])
    expect(await run('MGET', ['b', 'a', 'k', 'a'])).toEqual([null, '1', 'value', '1'])
    expect(cache.hit('GET', ['a'])).toBe('1')
    // GET would refuse a list.
    expect(cache.hit('GET', ['b'])).toBeUndefined()
  })

  it('keeps no key that has changed meanwhile', async () => {
    const reply = run('MGET', ['a', 'b'])
    invalidate(['a'])
    next().fulfil(['1', '2'])
    expect(await reply).toEqual(['1', '2'])
    expect([cache.hit('GET', ['a']), cache.hit('GET', ['b'])]).toEqual([undefined, '2'])
  })

  it('fails as a whole', async () => {
    const reply = run('MGET', ['a', 'b'])
    next().fail(replyError('ERR no'))
    await expect(reply).rejects.toThrow('ERR no')
    expect(cache.inspect().entries).toBe(0)
  })
})

it('a hit that is no call is none', () => {
  for (const args of [null, 'k', [], [7], [null], ['k', null], { 0: 'k', length: 1 }])
    expect(cache.hit('GET', args as string[])).toBeUndefined()
})

it('now and then a kept reply is a turn late, so that whoever awaits only these keeps nobody waiting', async () => {
  await readDuring(() => {})
  let turned = false
  setImmediate(() => {
    turned = true
  })
  for (let i = 0; i < 2000; i++) expect(await cache.answer('GET', ['k'])).toBe('value')
  expect(turned).toBe(true)
})
