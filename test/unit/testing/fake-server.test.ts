import { createClient } from 'slotwise/core'
import { bulk, FakeServer, type FakeServerOptions, silence } from 'slotwise/testing'
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
const start = async (options?: FakeServerOptions) => kept(await FakeServer.start(options))
const peer = async (server: FakeServer, protocol: 2 | 3 = 2) => kept(await RawPeer.connect(server.port, protocol))
const isSilent = async (one: RawPeer) => {
  const heard = one.hear(1).then(() => 'an answer')
  return (await Promise.race([heard, new Promise(resolve => setTimeout(resolve, 30, 'silence'))])) === 'silence'
}

describe('faults', () => {
  it('mute: reads, carries out, and says nothing', async () => {
    const server = await start()
    const [one, other] = await Promise.all([peer(server), peer(server)])
    server.mute = true
    one.say([['SET', 'k', 'v']])
    expect(await isSilent(one)).toBe(true)
    server.mute = false
    expect(await other.ask([['GET', 'k']])).toEqual(['$v'])
  })

  it('frozen: accepts and does nothing; answers everything when it thaws', async () => {
    const server = await start()
    const before = await peer(server)
    server.freeze()
    const during = await peer(server)
    before.say([['INCR', 'n']])
    during.say([['INCR', 'n']])
    expect([await isSilent(before), server.count('INCR')]).toEqual([true, 0])
    server.thaw()
    const replies = [await before.hear(0), await during.hear(1)]
    expect(replies[1]).toEqual([expect.stringMatching(/^:[12]$/)])
    expect(server.count('INCR')).toBe(2)
  })

  it('late and byte by byte: the same replies in the same order', async () => {
    const server = await start()
    const one = await peer(server)
    server.delayMs = 20
    const startedAt = performance.now()
    one.say([
      ['SET', 'k', 'v'],
      ['GET', 'k'],
    ])
    expect(await one.hear(2)).toEqual(['+OK', '$v'])
    // Timers and the clock round differently.
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(18)
    server.byteByByte = true
    one.say([['GET', 'k']])
    server.delayMs = 0
    one.say([['PING']])
    expect(await one.hear(2)).toEqual(['$v', '+PONG'])
  })

  it('a reply that is cut off ends its connection', async () => {
    const server = await start()
    const one = await peer(server)
    server.cutNextReply(3)
    one.say([['ECHO', 'hello'], ['PING']])
    await expect(one.hear(1)).rejects.toThrow('and $5')
    expect(await (await peer(server)).ask([['PING']])).toEqual(['+PONG'])
  })

  it('loading: refuses what needs the data', async () => {
    const server = await start()
    const one = await peer(server)
    server.loading(60_000)
    expect(
      await one.ask([
        ['GET', 'k'],
        ['CLIENT', 'SETNAME', 'x'],
        ['INFO', 'persistence'],
      ]),
    ).toEqual(['-LOADING Redis is loading the dataset in memory', '+OK', expect.stringContaining('loading:1')])
    server.loading(0)
    expect(await one.ask([['GET', 'k']])).toEqual(['$-1'])
  })

  it('connections that are closed or reset are opened again by a client', async () => {
    const server = await start()
    const client = kept(createClient({ server: server.address }))
    for (const end of [() => server.cutAll(), () => server.resetAll()]) {
      await client.execute('GET', ['k'])
      const { accepted } = server
      end()
      expect(await client.execute('GET', ['k'])).toBeNull()
      expect(server.accepted).toBe(accepted + 1)
    }
  })
})

describe('handlers', () => {
  it('answer, are silent, or leave it to the server', async () => {
    const server = await start({
      handler: ([name, key]) => (name !== 'GET' ? undefined : key === 'odd' ? silence : bulk('from the handler')),
    })
    const one = await peer(server)
    expect(
      await one.ask([
        ['set', 'k', 'v'],
        ['GET', 'k'],
      ]),
    ).toEqual(['+OK', '$from the handler'])
    one.say([['GET', 'odd']])
    expect(await isSilent(one)).toBe(true)
    expect(server.seen('SET')).toEqual([['SET', 'k', 'v']])
  })

  it('can do more to a connection', async () => {
    const server = await start({
      handler: ([name], connection) => {
        if (name === 'ECHO') connection.cut('$5\r\nhe')
        if (name === 'GET') connection.reset()
        return name === 'ECHO' || name === 'GET' ? silence : undefined
      },
    })
    for (const name of ['ECHO', 'GET']) {
      const one = await peer(server)
      one.say([[name, 'hello']])
      await expect(one.hear(1)).rejects.toThrow('closed')
    }
  })
})

describe('what it has seen', () => {
  it('is kept for the last commands, and counted for all', async () => {
    const server = await start({ keptCommands: 5 })
    const one = await peer(server)
    await one.ask(Array.from({ length: 23 }, (_, i) => ['ECHO', String(i)]))
    await one.ask([['CLIENT', 'id']])
    expect(server.commands.length).toBeLessThanOrEqual(10)
    expect(server.commands.slice(-3)).toEqual([
      ['ECHO', '21'],
      ['ECHO', '22'],
      ['CLIENT', 'id'],
    ])
    expect([server.count('ECHO'), server.count('CLIENT ID'), server.open, server.accepted]).toEqual([23, 1, 1, 1])
    const forgetful = await start({ keptCommands: 0 })
    await (await peer(forgetful)).ask([['PING'], ['PING']])
    expect([forgetful.commands, forgetful.count('PING')]).toEqual([[], 2])
    server.forget()
    expect([server.count('ECHO'), server.commands]).toEqual([0, []])
  })
})

describe('a server of its kind', () => {
  it('with a password wants it', async () => {
    const server = await start({ password: 'secret', username: 'me' })
    const one = await peer(server)
    const replies = await one.ask([
      ['PING'],
      ['HELLO', '3'],
      ['AUTH', 'me', 'wrong'],
      ['AUTH', 'me', 'secret'],
      ['PING'],
    ])
    expect(replies.map(reply => String(reply).split(' ')[0])).toEqual([
      '-NOAUTH',
      '-NOAUTH',
      '-WRONGPASS',
      '+OK',
      '+PONG',
    ])
    const client = kept(createClient({ server: server.address, username: 'me', password: 'secret' }))
    expect(await client.execute('SET', ['k', 'v'])).toBe('OK')
  })

  it('that is old does not know HELLO, and a client speaks RESP2 with it', async () => {
    const server = await start({ maxProtocol: 2 })
    const client = kept(createClient({ server: server.address }))
    await client.execute('HSET', ['h', 'f', 'v'])
    expect(await client.execute('HGETALL', ['h'])).toEqual(['f', 'v'])
    expect(server.connections.map(connection => connection.protocol)).toEqual([2])
  })

  it('says honestly what it does not play', async () => {
    const one = await peer(await start())
    expect(await one.ask([['EVAL', 'return 1', '0']])).toEqual([
      "-ERR unknown command 'EVAL', with args beginning with: 'return 1' '0' (this is a fake server of slotwise/testing)",
    ])
  })

  it('knows greetings only, if it is told to', async () => {
    const server = await start({ answers: 'greetings' })
    const one = await peer(server)
    expect(await one.ask([['SELECT', '3'], ['AUTH', 'x'], ['CLIENT', 'SETNAME', 'y'], ['PING']])).toEqual([
      '+OK',
      '+OK',
      '+OK',
      '+PONG',
    ])
    one.say([['GET', 'k']])
    expect(await isSilent(one)).toBe(true)
  })
})

describe('lists that somebody waits for', () => {
  it('serve those first who came first; commands behind a blocked one wait', async () => {
    const server = await start()
    const [first, second, pushing] = await Promise.all([peer(server), peer(server), peer(server)])
    first.say([['BLPOP', 'a', 'b', '0'], ['PING']])
    while (server.count('BLPOP') < 1) await new Promise(setImmediate)
    second.say([['BRPOP', 'b', '0']])
    while (server.count('BRPOP') < 1) await new Promise(setImmediate)
    expect(server.count('PING')).toBe(0)
    expect(
      await pushing.ask([
        ['MULTI'],
        ['RPUSH', 'b', '1', '2', '3'],
        ['LLEN', 'b'],
        ['EXEC'],
        ['LRANGE', 'b', '0', '-1'],
      ]),
    ).toEqual(['+OK', '+QUEUED', '+QUEUED', ['*', ':3', ':3'], ['*', '$2']])
    expect(await first.hear(2)).toEqual([['*', '$b', '$1'], '+PONG'])
    expect(await second.hear(1)).toEqual([['*', '$b', '$3']])
  })

  it('forget who has gone', async () => {
    const server = await start()
    const [gone, pushing] = await Promise.all([peer(server), peer(server)])
    gone.say([['BLPOP', 'a', '0']])
    while (server.count('BLPOP') < 1) await new Promise(setImmediate)
    gone.close()
    while (server.open > 1) await new Promise(setImmediate)
    expect(
      await pushing.ask([
        ['RPUSH', 'a', '1'],
        ['LLEN', 'a'],
      ]),
    ).toEqual([':1', ':1'])
  })
})

describe('SCAN', () => {
  it('shows every key that is there all the time, whatever else comes and goes', async () => {
    const server = await start()
    const one = await peer(server)
    const names = Array.from({ length: 500 }, (_, i) => `key:${i}`)
    await one.ask([['MSET', ...names.flatMap(name => [name, 'v'])]])
    const seen = new Set<string>()
    let cursor = '0'
    let turn = 0
    do {
      const [reply] = (await one.ask([['SCAN', cursor, 'COUNT', '7']])) as [[string, string, string[]]]
      cursor = reply[1].slice(1)
      for (const name of reply[2].slice(1)) seen.add(name.slice(1))
      await one.ask([
        ['SET', `new:${turn}`, 'v'],
        ['DEL', `new:${turn++ - 3}`, `key:${turn % 5}`],
      ])
    } while (cursor !== '0')
    expect(names.slice(5).filter(name => !seen.has(name))).toEqual([])
  })
})
