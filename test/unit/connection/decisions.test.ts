import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { tcpEndpoint, unixEndpoint } from '../../../src/connection/endpoint.js'
import { type HandshakeOptions, handshakeOutcome, handshakeSteps } from '../../../src/connection/handshake.js'
import { liveness } from '../../../src/connection/liveness.js'
import { SocketLedger } from '../../../src/connection/socket-ledger.js'
import { connectionTransitions } from '../../../src/connection/states.js'
import { replyError } from '../../../src/errors.js'

const base: HandshakeOptions = {
  protocol: 'auto',
  username: null,
  password: null,
  database: 0,
  name: null,
  clientInfo: false,
}
const words = (options: Partial<HandshakeOptions>, protocol: 2 | 3) =>
  handshakeSteps({ ...base, ...options }, protocol).map(({ name, args }) => [name, ...args].join(' '))

describe('handshakeSteps()', () => {
  it.each([
    [{}, 3, ['HELLO 3']],
    [{ password: 'pw' }, 3, ['HELLO 3 AUTH default pw']],
    [{ username: 'ada', password: 'pw', name: 'me', database: 2 }, 3, ['HELLO 3 AUTH ada pw SETNAME me', 'SELECT 2']],
    [{}, 2, ['PING']],
    [{ password: 'pw' }, 2, ['AUTH pw']],
    [{ username: 'ada', password: 'pw', name: 'me', database: 2 }, 2, ['AUTH ada pw', 'CLIENT SETNAME me', 'SELECT 2']],
  ] as const)('for %o in RESP%i are %o', (options, protocol, expected) => {
    expect(words(options, protocol)).toEqual(expected)
  })

  it('tell the library, if they may', () => {
    expect(words({ clientInfo: true }, 3).slice(1)).toEqual([
      'CLIENT SETINFO LIB-NAME slotwise',
      expect.stringMatching(/^CLIENT SETINFO LIB-VER \d+\.\d+\.\d+$/),
    ])
  })
})

describe('handshakeOutcome()', () => {
  const outcome = (options: Partial<HandshakeOptions>, protocol: 2 | 3, replies: unknown[]) =>
    handshakeOutcome(handshakeSteps({ ...base, ...options }, protocol), replies, 'h:1')

  it('is ready when every step went well, or one that does not matter did not', () => {
    expect(outcome({}, 3, [new Map()])).toEqual({ kind: 'ready' })
    const refused = replyError('ERR unknown subcommand')
    expect(outcome({ clientInfo: true }, 3, [new Map(), refused, refused])).toEqual({ kind: 'ready' })
  })

  it.each(["ERR unknown command 'HELLO'", 'NOPROTO unsupported protocol version'])(
    'falls back on %s, unless RESP3 is a must',
    text => {
      expect(outcome({}, 3, [replyError(text)])).toEqual({ kind: 'fallback' })
      expect(outcome({ protocol: 3 }, 3, [replyError(text)])).toMatchObject({
        kind: 'failed',
        error: { code: 'SLOTWISE_HANDSHAKE_FAILED' },
      })
    },
  )

  it.each([
    [{ password: 'x' }, 3, ['WRONGPASS invalid username-password pair']],
    [{}, 3, ['NOAUTH HELLO must be called with the client already authenticated']],
    [{ password: 'x' }, 2, ['ERR invalid password']],
    [{}, 2, ['NOAUTH Authentication required.']],
  ] as const)('with %o in RESP%i and %o is a matter of credentials', (options, protocol, texts) => {
    expect(outcome(options, protocol, texts.map(replyError))).toMatchObject({
      kind: 'failed',
      error: { code: 'SLOTWISE_AUTH_FAILED', phase: 'handshake', endpoint: 'h:1' },
    })
  })

  it('never repeats a password that the server repeats', () => {
    const text = "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'secret'"
    const result = outcome({ password: 'secret', protocol: 3 }, 3, [replyError(text)])
    expect(JSON.stringify(result) + (result as { error: Error }).error.message).not.toContain('secret')
  })
})

describe('liveness()', () => {
  const limits = { pingIntervalMs: 100, silenceTimeoutMs: 50 }
  it.each([
    [
      { silentMs: 30, replyDue: false, blockingMs: 0 },
      { kind: 'alive', lookAgainMs: 70 },
    ],
    [{ silentMs: 100, replyDue: false, blockingMs: 0 }, { kind: 'ping' }],
    [
      { silentMs: 30, replyDue: true, blockingMs: 0 },
      { kind: 'alive', lookAgainMs: 20 },
    ],
    [{ silentMs: 50, replyDue: true, blockingMs: 0 }, { kind: 'silent' }],
    [
      { silentMs: 500, replyDue: true, blockingMs: 1000 },
      { kind: 'alive', lookAgainMs: 100 },
    ],
    [{ silentMs: 1050, replyDue: true, blockingMs: 1000 }, { kind: 'silent' }],
    [
      { silentMs: 1e9, replyDue: true, blockingMs: Infinity },
      { kind: 'alive', lookAgainMs: 100 },
    ],
  ])('of %o is %o', (silence, verdict) => {
    expect(liveness(silence, limits)).toEqual(verdict)
  })
})

describe('endpoints', () => {
  it('are told apart by a key that can be read', () => {
    expect(tcpEndpoint('h', 1).key).toBe('h:1')
    expect(tcpEndpoint('::1', 1).key).toBe('[::1]:1')
    expect(unixEndpoint('/tmp/s').key).toBe('/tmp/s')
  })
})

describe('SocketLedger', () => {
  it('counts each socket in one lane from its making to its close, and says when none is left', () => {
    const ledger = new SocketLedger()
    const sockets = [new EventEmitter(), new EventEmitter()]
    const entries = sockets.map(socket => ledger.enter(socket as unknown as Socket, 'dialing', 'h:1'))
    let empty = 0
    ledger.whenEmpty(() => empty++)
    entries[0]?.move('shared')
    expect([ledger.counts(), ledger.total]).toEqual([{ dialing: 1, shared: 1, lane: 0, subscriber: 0, closing: 0 }, 2])
    sockets[0]?.emit('close')
    expect([ledger.total, empty]).toEqual([1, 0])
    sockets[1]?.emit('close')
    expect([ledger.counts(), ledger.total, empty]).toEqual([
      { dialing: 0, shared: 0, lane: 0, subscriber: 0, closing: 0 },
      0,
      1,
    ])
    ledger.whenEmpty(() => empty++)
    expect(empty).toBe(2)
  })
})

describe('states of a connection', () => {
  it('end in closed, which nothing leaves', () => {
    expect(connectionTransitions.closed).toEqual([])
    for (const state of ['handshaking', 'ready', 'draining'] as const)
      expect(connectionTransitions[state]).toContain('closed')
  })
})
