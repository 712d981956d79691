// Memory of the cache: what it says it holds is within the bound, and what the process grows by is within what it says.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { LocalServer } from '../../scripts/local-server.mjs'
import { runChild } from '../support/child.js'

let server: LocalServer
beforeAll(async () => {
  server = await LocalServer.start()
})
afterAll(() => server?.stop())

interface Report {
  maxBytes: number
  grownBytes: number
  entries: number
  bytes: number
  evictions: number
}

/** What the order of use allocates in advance, and what the process holds for other reasons: buffers of the socket, code. */
const allowanceBytes = 1.5 * 1024 * 1024

it.each(['small', 'text', 'wide', 'buffers', 'maps', 'lists', 'sets'])('a cache of 8 MiB full of %s', async kind => {
  await server.command('FLUSHALL')
  const report = await runChild<Report>('cache-memory.mjs', [server.port, kind], { flags: ['--expose-gc'] })
  const { maxBytes, grownBytes, bytes, evictions } = report
  expect(evictions).toBeGreaterThan(0)
  expect(bytes).toBeLessThanOrEqual(maxBytes)
  expect(grownBytes).toBeLessThan(bytes + allowanceBytes)
  // An estimate that is far too high would keep less than it might.
  expect(grownBytes).toBeGreaterThan(0.4 * bytes)
})
