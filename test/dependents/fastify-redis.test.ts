import { describe, expect, it } from 'vitest'
import type { LocalServerOptions } from '../../scripts/local-server.mjs'
import { runProgram } from './support/program.js'
import { withServers } from './support/servers.js'

const run = (scenario: string, options: LocalServerOptions = {}) =>
  withServers(1, (_, addresses) => runProgram('fastify-redis', scenario, addresses, {}), options)

describe('@fastify/redis', () => {
  it('gives the application a client, and ends it with the application', async () => {
    expect(await run('plugin')).toEqual({
      isRedis: true,
      put: { answer: 'OK' },
      got: { value: 'b' },
      tag: 'fastify-redis_v9.0.0',
      twice: '@fastify/redis has already been registered',
      status: 'end',
    })
  })

  it('keeps clients apart by namespace', async () => {
    expect(await run('namespaces')).toEqual({ values: ['first', 'second'], sizes: [1, 1], keys: ['two:a'] })
  })

  it("closes a user's own client only if asked to", async () => {
    expect(await run('ownClient')).toEqual({ same: true, statuses: ['ready', 'end'] })
  })

  it('does not start with a wrong password', async () => {
    const { message } = (await run('refused', { requirepass: 'right' })) as { message: string }
    expect(message).toMatch(/^WRONGPASS /)
  })
})
