import { describe, expect, it } from 'vitest'
import { runProgram } from './support/program.js'
import { requestsOf, withServers } from './support/servers.js'

describe('redlock', () => {
  it('acquires, refuses, extends, releases, waits its turn, and extends while in use', async () => {
    const result = await withServers(1, (_, addresses) => runProgram('redlock', 'locks', addresses))
    expect(result).toEqual({
      ttlKept: true,
      refused: true,
      votesAgainst: [true],
      extended: true,
      released: 0,
      tooLate: true,
      order: ['first lets go', 'second has it'],
      worth: 42,
      signalled: false,
      extensions: 1,
      afterUsing: 0,
    })
  })

  it('acquires with two of three servers', async () => {
    const result = await withServers(3, ([server], addresses) =>
      runProgram<{ acquireMs: number }>('redlock', 'quorum', addresses, requestsOf(server!)),
    )
    expect(result).toMatchObject({ votes: { for: 2, against: 1 }, held: [1, 1] })
    expect(result.acquireMs).toBeLessThan(2000)
  })

  it('locks in version 4, with callbacks', async () => {
    const result = await withServers(1, (_, addresses) => runProgram('redlock', 'locks4', addresses))
    expect(result).toEqual({ refused: 'LockError', extended: true, released: 0 })
  })
})
