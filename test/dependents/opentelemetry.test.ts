import { describe, expect, it } from 'vitest'
import { installed } from './support/installed.js'
import { runProgram } from './support/program.js'
import { useCluster, withServers } from './support/servers.js'

const run = (scenario: string) =>
  withServers(1, (_, addresses) => runProgram<object>('opentelemetry', scenario, addresses))

const wrongType = 'WRONGTYPE Operation against a key holding the wrong kind of value'
const unset = 0
const failed = 2
const span = (name: string, statement: unknown, operation = name, status = unset) => ({
  name,
  kind: 'CLIENT',
  statement,
  operation,
  status,
})

describe('OpenTelemetry', () => {
  it('takes the package for an ioredis that it can instrument', async () => {
    const { version } = installed().packed.manifest
    expect(await runProgram('opentelemetry', 'hooks', [])).toEqual({ hooked: true, version, problems: [] })
  })

  it('gets a span for each command, with statement, status and parent', async () => {
    expect(await run('spans')).toEqual({
      outside: 0,
      // Each span has ended when its command has settled.
      order: [1, 2],
      spans: [
        span('set', 'set a [1 other arguments]'),
        span('get', 'get a'),
        span('lpush', 'lpush a [1 other arguments]', 'lpush', failed),
        span('set', 'set b [1 other arguments]', 'PIPELINE set'),
        span('get', 'get b', 'PIPELINE get'),
        span('multi', 'multi'),
        span('incr', 'incr b', 'MULTI incr'),
        span('exec', 'exec'),
        span('get', 'get b'),
        span('evalsha', expect.stringMatching(/^evalsha [0-9a-f]{40} 1 b$/)),
      ],
      parents: true,
      lasted: true,
      response: 'secret',
      address: true,
      error: wrongType,
      recorded: [['exception', wrongType]],
      problems: [],
    })
  })

  it('gets a span for connecting', async () => {
    expect(await run('connects')).toEqual({ connects: 1, ping: true, problems: [] })
  })

  describe('on a cluster', () => {
    const cluster = useCluster()

    it('gets spans from the nodes', async () => {
      const { statements, problems } = await runProgram<{ statements: string[]; problems: string[] }>(
        'opentelemetry',
        'cluster',
        cluster().addresses,
      )
      // ioredis sends anew what waited for a node's connection, and that is a span of its own.
      expect([...new Set(statements)]).toEqual(['a', 'b', 'c', 'd'].map(key => `set ${key} [1 other arguments]`))
      expect(problems).toEqual([])
    })
  })
})

describe('diagnostics channels', () => {
  const command = (phase: string, name: string, args: string[], more: object = {}) => ({
    phase,
    command: name,
    args,
    database: 0,
    server: true,
    ...more,
  })

  it('tell of commands, transactions and connections, without values', async () => {
    const batch = { batchMode: 'MULTI', batchSize: 1, database: 0, server: true }
    expect(await run('channels')).toEqual({
      single: [
        command('start', 'set', ['channel', '?']),
        command('asyncEnd', 'set', ['channel', '?'], { result: 'string' }),
        command('start', 'get', ['channel']),
        command('asyncEnd', 'get', ['channel'], { result: 'string' }),
        command('start', 'lpush', ['channel', '?']),
        command('error', 'lpush', ['channel', '?'], { error: wrongType }),
        command('asyncEnd', 'lpush', ['channel', '?'], { error: wrongType }),
      ],
      pipelined: [command('start', 'set', ['channel', '?']), command('start', 'get', ['channel'])],
      batch: [
        { phase: 'start', ...batch },
        { phase: 'asyncEnd', ...batch, result: 'object' },
      ],
      connect: [
        { phase: 'start', server: true },
        { phase: 'asyncEnd', server: true },
      ],
    })
  })
})
