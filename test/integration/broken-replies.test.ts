// Broken replies: cut off, in pieces, beyond the limits, or not RESP at all.

import type { Client, CommonOptions } from 'slotwise/core'
import { array, bulk, type FakeConnection, type FakeServer, silence } from 'slotwise/testing'
import { describe, expect, it } from 'vitest'
import { codesOf, failureOf, useClients } from '../support/clients.js'
import { startScripted } from '../support/scripted.js'
import { eventually, expectSettled } from '../support/settled.js'

const test = useClients()

const serve = ([name]: string[]) => (name === 'GET' ? bulk('value') : name === 'SET' ? '+OK\r\n' : undefined)

/** One server that is no cluster, and a client with a connection to it. */
async function connectedSingle(options: CommonOptions = {}): Promise<{ server: FakeServer; client: Client }> {
  const server = test.keep(await startScripted(serve))
  const client = test.client({ server: server.address, backoffMaxMs: 100, ...options })
  await client.connect()
  return { server, client }
}

describe('a connection that breaks in the middle of a reply', () => {
  const cutAt = (name: string, how: (connection: FakeConnection) => void) => {
    let cuts = 0
    return (command: string[], connection: FakeConnection) => {
      if (command[0] !== name || cuts === 1) return serve(command)
      cuts++
      how(connection)
      return silence
    }
  }

  it.each([
    ['closed', (connection: FakeConnection) => connection.cut('$5\r\nval')],
    ['reset', (connection: FakeConnection) => connection.reset()],
  ] as const)('(%s) sends reads again', async (_, how) => {
    const { server, client } = await connectedSingle()
    server.handler = cutAt('GET', how)
    const reads = Array.from({ length: 10 }, () => client.execute('GET', ['k']))
    expect(new Set(await Promise.all(reads))).toEqual(new Set(['value']))
    expect(server.accepted).toBe(2)
    expectSettled(client)
  })

  it.each([
    ['closed', (connection: FakeConnection) => connection.cut('+O')],
    ['reset', (connection: FakeConnection) => connection.reset()],
  ] as const)('(%s) fails writes, which the server has seen once', async (_, how) => {
    const { server, client } = await connectedSingle()
    server.handler = cutAt('SET', how)
    const error = await failureOf(client.execute('SET', ['k', 'v']))
    expect(error).toMatchObject({
      code: 'SLOTWISE_CONNECTION_LOST',
      maybeExecuted: true,
      command: 'SET',
      phase: 'flight',
      endpoint: server.address,
    })
    expect(await client.execute('GET', ['k'])).toBe('value')
    expect(server.count('SET')).toBe(1)
  })

  it('sends a write again that may run twice, and a read not when nothing may be', async () => {
    const { server, client } = await connectedSingle()
    server.handler = cutAt('SET', connection => connection.cut())
    expect(await client.execute('SET', ['k', 'v'], { idempotent: true })).toBe('OK')
    expect(server.count('SET')).toBe(2)
    const strict = test.client({ server: server.address, resend: 'none' })
    server.handler = cutAt('GET', connection => connection.cut('$5\r\nval'))
    expect(await failureOf(strict.execute('GET', ['k']))).toMatchObject({ code: 'SLOTWISE_CONNECTION_LOST' })
  })
})

describe('replies', () => {
  it('may come a byte at a time', async () => {
    const { server, client } = await connectedSingle()
    const replies: [string, unknown][] = [
      ['+OK\r\n', 'OK'],
      [':-42\r\n', -42],
      ['$-1\r\n', null],
      [bulk('gr\u00fc\u00dfe \u{1f600}'), 'gr\u00fc\u00dfe \u{1f600}'],
      [array([bulk('a'), array([':1\r\n', '_\r\n']), '*0\r\n']), ['a', [1, null], []]],
      [`%1\r\n${bulk('k')},1.5\r\n`, new Map([['k', 1.5]])],
      ['#t\r\n', true],
    ]
    server.handler = ([name, index]) => (name === 'GET' ? replies[Number(index)]?.[0] : undefined)
    server.byteByByte = true
    const values = await client.batch(replies.map((_, i) => ['GET', [i]]))
    expect(values).toEqual(replies.map(([, value]) => value))
    // A handshake, too.
    const another = test.client({ server: server.address })
    expect(await another.execute('GET', [0])).toBe('OK')
  })

  it.each([
    ['garbage', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'SLOTWISE_PROTOCOL'],
    ['bytes of no protocol', Buffer.from([0, 255, 13, 10, 7, 13, 10]), 'SLOTWISE_PROTOCOL'],
    ['a length that is none', '$abc\r\nxx\r\n', 'SLOTWISE_PROTOCOL'],
    ['a string without its end', '$3\r\nabcdefgh\r\n', 'SLOTWISE_PROTOCOL'],
    ['nesting without end', '*1\r\n'.repeat(5000), 'SLOTWISE_LIMIT_DEPTH'],
    ['a huge string', '$999999999999\r\n', 'SLOTWISE_LIMIT_BULK'],
    ['a huge array', '*999999999\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
    ['a huge map', '%999999999\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
  ] as const)('that are %s end the connection, and are told to the caller', async (_, raw, code) => {
    const { server, client } = await connectedSingle()
    let bad = 0
    server.handler = command => {
      if ((command[0] === 'SET' || command[0] === 'GET') && bad++ === 0) return raw as string
      return serve(command)
    }
    const write = failureOf(client.execute('SET', ['k', 'v']))
    const read = client.execute('GET', ['k'])
    expect(await write).toMatchObject({
      code: 'SLOTWISE_CONNECTION_LOST',
      maybeExecuted: true,
      cause: { code, endpoint: server.address },
    })
    expect(await read).toBe('value')
    expect([server.accepted, server.count('SET')]).toEqual([2, 1])
    await eventually(() => expect(server.open).toBe(1))
  })

  it.each([2, 3] as const)('of RESP%i within the limits are read, one beyond them is not', async protocol => {
    const limits = { maxReplyDepth: 3, maxReplyBulkBytes: 10, maxReplyAggregateLength: 4 }
    const { server, client } = await connectedSingle({ ...limits, protocol, timeoutMs: 2000 })
    let raw = ''
    server.handler = ([name]) => (name === 'SET' ? raw : undefined)
    const good = [bulk('1234567890'), '*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n', '*1\r\n*1\r\n*1\r\n:1\r\n']
    for (raw of good) await client.execute('SET', ['k', 'v'])
    expect(server.accepted).toBe(1)
    const bad = [
      [bulk('12345678901'), 'SLOTWISE_LIMIT_BULK'],
      ['*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n', 'SLOTWISE_LIMIT_AGGREGATE'],
      ['*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n', 'SLOTWISE_LIMIT_DEPTH'],
    ] as const
    for (const [text, code] of bad) {
      raw = text
      expect(await failureOf(client.execute('SET', ['k', 'v']))).toMatchObject({ cause: { code } })
    }
  })

  it('that can never be read do not keep a read going round', async () => {
    const { server, client } = await connectedSingle({ timeoutMs: 3000 })
    server.handler = ([name]) => (name === 'GET' ? '$999999999999\r\n' : name === 'SET' ? '+OK\r\n' : undefined)
    const error = await failureOf(client.execute('GET', ['poison']))
    expect(codesOf(error)).toContain('SLOTWISE_LIMIT_BULK')
    // Each time takes the connection of everybody else with it.
    expect(server.count('GET')).toBeLessThanOrEqual(2)
  })

  it('that can never be read are held against the call they answer, not against the one behind it', async () => {
    const { server, client } = await connectedSingle()
    let answers = 0
    server.handler = ([name, key]) => {
      if (name === 'GET' && key === 'slow') return silence
      if (name === 'GET') return answers++ === 0 ? silence : bulk('value')
      return undefined
    }
    const late = failureOf(client.execute('GET', ['slow'], { timeoutMs: 50 }))
    const behind = client.execute('GET', ['k'])
    expect(await late).toMatchObject({ code: 'SLOTWISE_TIMEOUT', phase: 'flight' })
    // The answer to the first, which nobody waits for any more.
    server.sendToAll('$999999999999\r\n')
    expect(await behind).toBe('value')
    expect(server.accepted).toBe(2)
  })

  it('that nobody has asked for end the connection', async () => {
    const { server, client } = await connectedSingle()
    server.sendToAll('+OK\r\n')
    await eventually(() => expect(server.accepted).toBe(2))
    expect(await client.execute('GET', ['k'])).toBe('value')
  })

  it("that are pushes are nobody's answer", async () => {
    const { server, client } = await connectedSingle()
    const push = `>2\r\n${bulk('invalidate')}*1\r\n${bulk('k')}`
    server.sendToAll(push)
    server.handler = ([name]) => (name === 'GET' ? `${push}${bulk('value')}${push}` : undefined)
    expect(await Promise.all([1, 2, 3].map(() => client.execute('GET', ['k'])))).toEqual(['value', 'value', 'value'])
    expect(server.accepted).toBe(1)
  })
})
