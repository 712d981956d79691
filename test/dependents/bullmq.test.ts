// BullMQ 6 takes the client from outside or from `ioredis`; BullMQ 5 depends on ioredis and reads its deep paths.

import { describe, expect, it } from 'vitest'
import { runProgram } from './support/program.js'
import { requestsOf, useCluster, withServers } from './support/servers.js'

interface Closing {
  closing: Record<string, number>
}

/** A worker waits in a blocking command for 5 seconds: closing it must not wait for that. */
function expectQuick({ closing }: Closing): void {
  for (const [part, tookMs] of Object.entries(closing)) expect(tookMs, part).toBeLessThan(2000)
}

function expectedJobs(count: number): object {
  return {
    workers: 1,
    concurrent: true,
    isDelayed: true,
    delayedResult: 200,
    delayKept: true,
    unluckyResult: 14,
    unluckyAttempts: 3,
    doomedReason: 'no chance',
    doomedAttempts: 2,
    progress: { percent: 50 },
    told: { completed: count + 3, failed: 1, progress: 1 },
    counts: { completed: count + 3, failed: 1, waiting: 0, active: 0, delayed: 0 },
    sum: count * (count - 1) + 200 + 14 + 18,
  }
}

/** The slot of the hash tag `{b}`. */
const slotOfPrefix = 3300

describe.each(['bullmq', 'bullmq5'])('%s', name => {
  const onServer = <Result extends Closing>(scenario: string) =>
    withServers(1, async ([server], addresses) => {
      const result = await runProgram<Result>('bullmq', scenario, [name, ...addresses], requestsOf(server!))
      expectQuick(result)
      return result
    })

  it('works off 200 jobs, delayed ones, ones that need more than one attempt; and tells of them', async () => {
    expect(await onServer('jobs')).toMatchObject(expectedJobs(200))
  })

  it('works off a flow: children, then their parent', async () => {
    expect(await onServer('flow')).toMatchObject({ children: 3, value: 60 })
  })

  it('adds jobs by schedule', async () => {
    expect(await onServer('scheduler')).toMatchObject({ listed: ['nightly', 'tick'], removed: [true, true], left: 0 })
  })

  it('shares a client of the user, and leaves it open', async () => {
    expect(await onServer('shared')).toMatchObject({
      paused: true,
      order: ['last', 'first', 'second'],
      cleaned: 3,
      status: 'ready',
      keys: [],
    })
  })

  it('goes on after the server was away while a worker waited', async () => {
    expect(await onServer('restart')).toMatchObject({ before: 2, after: 3 })
  })

  describe('on a cluster', () => {
    const cluster = useCluster()

    it('works off jobs and flows', async () => {
      const result = await runProgram<Closing & { flowed: Closing }>('bullmq', 'cluster', [
        name,
        ...cluster().addresses,
      ])
      expect(result).toMatchObject({ ...expectedJobs(50), flowed: { children: 3, value: 60 }, status: 'ready' })
      expectQuick(result)
      expectQuick(result.flowed)
    })

    it('goes on after the node that a worker waited on was away', async () => {
      const owner = await cluster().primaryOf(slotOfPrefix)
      const restart = async () => {
        await owner.restart()
        await cluster().waitUntilOk(20_000)
      }
      const args = [name, ...cluster().addresses]
      const result = await runProgram<Closing>('bullmq', 'clusterRestart', args, { restart })
      expect(result).toMatchObject({ before: 2, after: 3 })
      expectQuick(result)
    })
  })
})
