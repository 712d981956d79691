// MeasuredProcess: a client with a workload, in a process of its own, on core 0 where the machine lets us.
// Owns    the process.
// Born    by start(), when its client is connected and has got a first right reply.
// Dies    by end(); also when this process ends, however it ends.
// Holds   it does nothing unless it is told to.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Absent, Job, Order } from './measured.mjs'
import { pinned } from './pinned.mjs'

const program = fileURLToPath(new URL('./child.mjs', import.meta.url))

/** What an answer takes beside the time asked for. More means that the client hangs. */
const spareMs = 20_000

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class MeasuredProcess {
  readonly #failed: Promise<never>
  readonly #child: ChildProcess
  #stderr = ''

  private constructor(job: Job) {
    const [command, ...args] = [
      ...(pinned ? ['taskset', '-c', '0'] : []),
      process.execPath,
      '--expose-gc',
      program,
      JSON.stringify(job),
    ]
    this.#child = spawn(command as string, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    running.add(this.#child)
    this.#child.stderr?.setEncoding('utf8').on('data', text => {
      this.#stderr += text
    })
    this.#failed = once(this.#child, 'close').then(([code, signal]) => {
      throw new Error(`${job.client}, ${job.workload}: ended with ${signal ?? `code ${code}`}\n${this.#stderr}`)
    })
    // Told to whoever waits, or asks next.
    this.#failed.catch(() => undefined)
  }

  static async start(job: Job): Promise<MeasuredProcess | Absent> {
    const started = new MeasuredProcess(job)
    const first = await started.#answer<object | Absent>(0)
    if (!('absent' in first)) return started
    await started.end()
    return first
  }

  /** Does one phase. */
  do<Result>(order: Order): Promise<Result> {
    // A process that has ended cannot be told anything: the answer is why.
    if (this.#child.connected) this.#child.send(order)
    return this.#answer(order.seconds)
  }

  async #answer<Result>(seconds: number): Promise<Result> {
    const waiting = new AbortController()
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), seconds * 2000 + spareMs)
    try {
      const message = once(this.#child, 'message', { signal: waiting.signal }) as Promise<[Result]>
      return (await Promise.race([message, this.#failed]))[0]
    } finally {
      clearTimeout(limit)
      waiting.abort()
    }
  }

  async end(): Promise<void> {
    const { exitCode, signalCode } = this.#child
    if (exitCode === null && signalCode === null) {
      const gone = once(this.#child, 'close')
      this.#child.kill('SIGKILL')
      await gone
    }
    running.delete(this.#child)
  }
}
