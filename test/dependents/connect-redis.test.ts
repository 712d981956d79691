// Version 8 is the last that takes ioredis: 9 and 10 call node-redis' methods by their names.

import { expect, it } from 'vitest'
import { runProgram } from './support/program.js'
import { withServers } from './support/servers.js'

it('connect-redis keeps sessions over requests, for their time, until they are destroyed', async () => {
  const result = await withServers(1, (_, addresses) => runProgram('connect-redis', 'sessions', addresses))
  expect(result).toEqual({
    visits: [1, 2, 1],
    ttlKept: true,
    touched: true,
    before: 2,
    after: [1],
    again: 1,
    many: 22,
    cleared: 0,
    gone: null,
  })
})
