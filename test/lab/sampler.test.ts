import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { sampleProcess } from '../../examples/gundeck/lab/sampler.mjs'

test('sockets of this process by port and state, descriptors and memory', async () => {
  const accepted: Socket[] = []
  const redis = createServer({ allowHalfOpen: true }, socket => accepted.push(socket)).listen(0, '127.0.0.1')
  const other = createServer(socket => accepted.push(socket)).listen(0, '127.0.0.1')
  await Promise.all([once(redis, 'listening'), once(other, 'listening')])
  const [redisPort, otherPort] = [redis, other].map(server => (server.address() as AddressInfo).port) as [
    number,
    number,
  ]
  const ports = new Set([redisPort])
  const before = sampleProcess(process.pid, ports)
  const sockets = [redisPort, redisPort, redisPort, otherPort].map(port =>
    connect({ port, host: '127.0.0.1', allowHalfOpen: true }),
  )
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  await expect.poll(() => accepted.length).toBe(4)
  const open = sampleProcess(process.pid, ports)
  if (before === null || open === null) throw new Error('no /proc')
  expect(open.socketsOpen - before.socketsOpen).toBe(3)
  // The one to the other port, and the four accepted ones: their remote ports are none of Redis'.
  expect(open.socketsHttp - before.socketsHttp).toBe(5)
  expect(open.descriptors - before.descriptors).toBe(8)
  expect(Math.abs(open.descriptors - readdirSync('/proc/self/fd').length)).toBeLessThanOrEqual(1)
  expect(Math.abs(open.residentBytes - process.memoryUsage.rss())).toBeLessThan(16 * 1048576)
  // The server ends its side; ours is left half open.
  const half = sockets[0] as Socket
  const peer = accepted.find(socket => socket.remotePort === half.localPort) as Socket
  half.resume()
  peer.end()
  await once(half, 'end')
  const closing = sampleProcess(process.pid, ports)
  expect([closing?.socketsOpen, closing?.socketsClosing]).toEqual([before.socketsOpen + 2, before.socketsClosing + 1])
  for (const socket of [...sockets, ...accepted]) socket.destroy()
  redis.close()
  other.close()
})

test('a process that is gone has no sample', () => {
  expect(sampleProcess(2 ** 22 + 1, new Set())).toBeNull()
})
