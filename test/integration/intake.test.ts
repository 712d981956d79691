// Reading into memory that all sockets share: nothing is lost, mixed up, or read before somebody takes it.

import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { openSocket, tcpEndpoint } from 'slotwise/core'
import { afterEach, expect, it } from 'vitest'
import { openPlain } from '../../src/connection/dial.js'
import { takeFrom } from '../../src/connection/intake.js'
import { eventually } from '../support/settled.js'

const open: (Server | Socket)[] = []

afterEach(() => {
  for (const each of open.splice(0)) {
    if ('destroy' in each) each.destroy()
    else each.close()
  }
})

/** A socket of ours, and what it talks to. */
async function pair(
  onPeer: (peer: Socket) => void = () => undefined,
  openOne = openPlain,
): Promise<{ socket: Socket; peer: Socket }> {
  const server = createServer(onPeer).listen(0, '127.0.0.1')
  open.push(server)
  await once(server, 'listening')
  const connected = once(server, 'connection') as Promise<[Socket]>
  const { port } = server.address() as AddressInfo
  const socket = openOne(tcpEndpoint('127.0.0.1', port), { tls: null, keepAliveMs: 0 })
  await once(socket, 'connect')
  const [peer] = await connected
  open.push(socket, peer)
  return { socket, peer }
}

/** Text of what the socket reads, in the order in which it comes. */
function taken(socket: Socket): { text: string } {
  const all = { text: '' }
  takeFrom(socket, chunk => {
    all.text += chunk.toString('latin1')
  })
  return all
}

it('keeps what comes before there is a taker, and lets the peer wait with the rest', async () => {
  const sent = Array.from({ length: 40_000 }, (_, i) => `line ${i}\n`).join('')
  const { socket } = await pair(peer => peer.write(sent))
  await eventually(() => expect(socket.bytesRead).toBeGreaterThan(0))
  await delay(100)
  expect(socket.bytesRead).toBeLessThan(sent.length)
  const all = taken(socket)
  // As with events, not while the taker is still being set up.
  expect(all.text).toBe('')
  await eventually(() => expect(all.text.length).toBe(sent.length))
  expect(all.text).toBe(sent)
})

it('gives each socket its own bytes', async () => {
  const pairs = await Promise.all(Array.from({ length: 8 }, () => pair()))
  const texts = pairs.map(({ socket }) => taken(socket))
  const rounds = 50
  for (let round = 0; round < rounds; round++) {
    for (const [i, { peer }] of pairs.entries()) peer.write(String(i).repeat(1000))
    await delay(1)
  }
  await eventually(() => expect(texts.map(({ text }) => text.length)).toEqual(pairs.map(() => rounds * 1000)))
  for (const [i, { text }] of texts.entries()) expect(new Set(text)).toEqual(new Set(String(i)))
})

it('tells of the end, and of what came before it', async () => {
  const { socket, peer } = await pair()
  const all = taken(socket)
  const ended = once(socket, 'end')
  peer.end('the last words')
  await ended
  expect(all.text).toBe('the last words')
})

it('has no part in sockets that others get', async () => {
  const { socket, peer } = await pair(peer => peer.write('a greeting'), openSocket)
  const [greeting] = (await once(socket, 'data')) as [Buffer]
  expect(String(greeting)).toBe('a greeting')
  const all = taken(socket)
  peer.write('what comes then')
  await eventually(() => expect(all.text).toBe('what comes then'))
})
