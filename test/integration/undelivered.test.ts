// Undelivered: what a silent peer has not been given yet is not given to it once its calls have failed, with TLS as without.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeTestCertificates, type TestCertificates } from '../../scripts/local-tls.mjs'
import { failureOf, useClients } from '../support/clients.js'
import { hello } from '../support/scripted.js'

const test = useClients()
const dir = mkdtempSync(join(tmpdir(), 'slotwise-tls-'))
let files: TestCertificates

beforeAll(() => {
  files = makeTestCertificates(dir)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Greets, then says nothing; tells how its peer has left. */
function listen(secure: boolean): { server: Server; left: Promise<string> } {
  let tell: (how: string) => void = () => undefined
  const left = new Promise<string>(resolve => {
    tell = resolve
  })
  const serve = (socket: Socket) => {
    let greeted = false
    socket.on('data', data => {
      if (!greeted && data.includes('HELLO')) socket.write(`${hello}+OK\r\n+OK\r\n`)
      greeted = true
    })
    socket.on('end', () => tell('closed'))
    socket.on('error', (error: NodeJS.ErrnoException) => tell(String(error.code)))
  }
  const { cert, key } = files.server
  const server = secure
    ? createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, serve)
    : createServer(serve)
  return { server, left }
}

it.each([false, true])('a silent peer is reset, not closed; TLS: %s', async secure => {
  const { server, left } = listen(secure)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  test.keep({ port, stop: async () => void server.close() })
  const client = test.client({
    server: { host: '127.0.0.1', port },
    silenceTimeoutMs: 300,
    ...(secure && { tls: { ca: readFileSync(files.ca) } }),
  })
  const error = await failureOf(client.execute('INCR', ['k']))
  expect(error.cause).toMatchObject({ code: 'SLOTWISE_CONNECTION_SILENT' })
  expect(await left).toBe('ECONNRESET')
})
