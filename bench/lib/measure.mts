// Measure: starts measurements as processes of their own, on core 0 where the machine lets us, and ends them whatever happens.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Job, Outcome } from './measured.mjs'
import { pinned } from './pinned.mjs'

const program = fileURLToPath(new URL('./child.mjs', import.meta.url))

/** What a measurement takes beside its phases: start, connect, end. More means that the client hangs. */
const spareMs = 20_000

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export async function measure(job: Job): Promise<Outcome> {
  const [command, ...args] = [
    ...(pinned ? ['taskset', '-c', '0'] : []),
    process.execPath,
    '--expose-gc',
    program,
    JSON.stringify(job),
  ]
  const child = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const limit = setTimeout(() => child.kill('SIGKILL'), (job.warmUpSeconds + job.seconds) * 2000 + spareMs)
  try {
    const [stdout, stderr, [code, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[code: number | null, signal: string | null]>,
    ])
    if (code !== 0) throw new Error(`${job.client}, ${job.workload}: ended with ${signal ?? `code ${code}`}\n${stderr}`)
    return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Outcome
  } finally {
    clearTimeout(limit)
    running.delete(child)
  }
}
