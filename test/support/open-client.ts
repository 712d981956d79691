// Clients of tests: each is closed after its test, and must then be clean.

import { afterEach, expect } from 'vitest'
import { type Client, type ClientOptions, createClient } from '../../src/core.js'

let clients: Client[] = []

/** A client that is closed after the test, whatever becomes of the test. */
export function openClient(options: ClientOptions): Client {
  const client = createClient(options)
  clients.push(client)
  return client
}

afterEach(async () => {
  const closing = clients
  clients = []
  for (const client of closing) {
    const { issued, settled, queued, inFlight } = client.inspect()
    expect(issued).toBe(settled + queued + inFlight)
    await client.close()
    const after = client.inspect()
    expect(after).toMatchObject({
      settled: after.issued,
      queued: 0,
      inFlight: 0,
      queuedBytes: 0,
      sockets: { total: 0 },
    })
  }
})
