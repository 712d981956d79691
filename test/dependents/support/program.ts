// Program: one scenario of test/dependents/programs, as a process of its own in the folder with the dependents.
// It prints its result and then has to end by itself: what keeps it alive is a handle that the package under test left open.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { installed } from './installed.js'

/** What a scenario can ask of the test: said by name, answered when it is done. */
export type Requests = Record<string, () => Promise<void>>

const resultLimitMs = 40_000
const exitLimitMs = 4_000
const resultMark = 'result '

/** Runs `programs/<name>.cjs <scenario> <args>`; gives its result when the process has ended. */
export async function runProgram<Result>(
  name: string,
  scenario: string,
  args: readonly string[],
  requests: Requests = {},
): Promise<Result> {
  const { dependents } = installed()
  const child = spawn(process.execPath, [join(dependents, 'programs', `${name}.cjs`), scenario, ...args], {
    cwd: dependents,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const output: string[] = []
  let result: string | null = null
  let overdue: string | null = null
  const killAfter = (limitMs: number, what: string) =>
    setTimeout(() => {
      overdue = `${what} within ${limitMs} ms`
      child.kill('SIGKILL')
    }, limitMs)
  let timer = killAfter(resultLimitMs, 'gave no result')

  createInterface({ input: child.stdout as Readable }).on('line', line => {
    if (line.startsWith(resultMark)) {
      result = line.slice(resultMark.length)
      clearTimeout(timer)
      timer = killAfter(exitLimitMs, `gave its result, but did not end`)
    } else output.push(line)
  })
  createInterface({ input: child.stderr as Readable }).on('line', line => output.push(line))
  child.on('message', async request => {
    try {
      await requests[request as string]?.()
      if (child.connected) child.send(request)
    } catch (error) {
      output.push(`${request}: ${(error as Error).message}`)
      child.kill('SIGKILL')
    }
  })

  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  // Every scenario listens for the errors that it expects.
  const unhandled = output.some(line => line.includes('Unhandled error event'))
  if (overdue !== null || code !== 0 || result === null || unhandled) {
    throw new Error(`${name} ${scenario} ${overdue ?? `ended with ${code}`}\n${output.join('\n')}\nresult: ${result}`)
  }
  return JSON.parse(result) as Result
}
