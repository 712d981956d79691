// CommandRun: starts measurements as processes of their own, on core 0 where the machine lets us, and ends them whatever happens.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { ClientName } from './clients.mjs'
import type { Measured } from './command-child.mjs'

const program = fileURLToPath(new URL('./command-child.mjs', import.meta.url))

/** What a measurement takes beside its seconds: start, warm-up, end. More means that the client hangs. */
const spareMs = 20_000

/** True when clients run on core 0, and servers can have core 1. */
export const pinned = cpus().length > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export async function measure(
  client: ClientName,
  workload: string,
  seconds: number,
  addresses: readonly string[],
): Promise<Measured> {
  const [command, ...args] = [
    ...(pinned ? ['taskset', '-c', '0'] : []),
    process.execPath,
    program,
    client,
    workload,
    String(seconds),
    ...addresses,
  ]
  const child = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const limit = setTimeout(() => child.kill('SIGKILL'), seconds * 1000 + spareMs)
  try {
    const [stdout, stderr, [code, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[code: number | null, signal: string | null]>,
    ])
    if (code !== 0) throw new Error(`${client}, ${workload}: ended with ${signal ?? `code ${code}`}\n${stderr}`)
    return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Measured
  } finally {
    clearTimeout(limit)
    running.delete(child)
  }
}
