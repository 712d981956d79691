import { describe, expect, it } from 'vitest'
import { runProgram } from './support/program.js'
import { requestsOf, useCluster, withServers } from './support/servers.js'

const state = (consumedPoints: number, remainingPoints: number, isFirstInDuration: boolean) => ({
  consumedPoints,
  remainingPoints,
  isFirstInDuration,
  inTime: true,
})

const expectedLimits = {
  consumed: [state(1, 2, true), state(2, 1, false), state(3, 0, false)],
  refused: state(4, 0, false),
  blockedFor: true,
  penalty: 2,
  reward: 1,
  got: state(1, 2, false),
  blocked: state(5, 0, false),
  unknown: null,
  deleted: [true, false],
  set: -1,
  letThrough: 3,
  loose: state(2, 1, true),
  both: ['hourly', 'loose'],
  unionRefused: ['hourly'],
}

describe('rate-limiter-flexible', () => {
  it('counts, rejects, blocks and forgives', async () => {
    const result = await withServers(1, (_, addresses) => runProgram('rate-limiter-flexible', 'limits', addresses))
    expect(result).toEqual(expectedLimits)
  })

  it('falls back on its insurance at once while the server is down', async () => {
    const result = await withServers(1, ([server], addresses) =>
      runProgram<{ insuredMs: number }>('rate-limiter-flexible', 'insurance', addresses, requestsOf(server!)),
    )
    expect(result).toMatchObject({ withRedis: [4, 4], insured: [1, 1], back: [4, 4] })
    expect(result.insuredMs).toBeLessThan(1000)
  })

  describe('on a cluster', () => {
    const cluster = useCluster()

    it('counts, rejects, blocks and forgives', async () => {
      expect(await runProgram('rate-limiter-flexible', 'cluster', cluster().addresses)).toEqual(expectedLimits)
    })
  })
})
