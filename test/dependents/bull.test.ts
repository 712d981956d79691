import { describe, expect, it } from 'vitest'
import { runProgram } from './support/program.js'
import { requestsOf, withServers } from './support/servers.js'

const run = (scenario: string) =>
  withServers(1, async ([server], addresses) => {
    const result = await runProgram<{ closing: { queue: number } }>('bull', scenario, addresses, requestsOf(server!))
    // Bull gives a QUIT half a second, and waits in a blocking command for five.
    expect(result.closing.queue).toBeLessThan(2500)
    return result
  })

const expectedJobs = {
  concurrent: true,
  sum: 29_900,
  delayedResult: 200,
  delayKept: true,
  unluckyResult: 14,
  doomedReason: 'no chance',
  counts: { waiting: 0, active: 0, completed: 202, failed: 1, delayed: 0, paused: 0 },
  workers: 1,
}

describe('bull', () => {
  it('works off 200 jobs, delayed ones, ones that need more than one attempt; and tells of them', async () => {
    expect(await run('jobs')).toMatchObject(expectedJobs)
  })

  it('uses clients that the user makes', async () => {
    expect(await run('reuse')).toMatchObject(expectedJobs)
  })

  it('repeats a job', async () => {
    expect(await run('repeat')).toMatchObject({ listed: 1, left: 0 })
  })

  it('goes on after the server was away', async () => {
    expect(await run('restart')).toMatchObject({ before: 2, after: 3 })
  })
})
