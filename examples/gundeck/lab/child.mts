// Child: a process of the lab, and the messages to and from it.
// Owns    the process.
// Dies    by kill(); also when this process ends, however it ends.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class Child<Order extends { kind: string }, Report extends { kind: string }> {
  readonly #child: ChildProcess
  readonly #name: string
  readonly #waiting = new Map<string, { resolve: (report: Report) => void; reject: (error: Error) => void }>()
  #failure: Error | null = null

  /** @param file beside this one */
  constructor(name: string, file: string, onReport: (report: Report) => void, execArgv: string[] = []) {
    this.#name = name
    const child = fork(new URL(file, import.meta.url), { execArgv, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#child = child
    running.add(child)
    let errors = ''
    child.stderr?.on('data', chunk => {
      errors = (errors + chunk).slice(-2000)
    })
    child.on('message', (report: Report) => {
      onReport(report)
      const waiting = this.#waiting.get(report.kind)
      this.#waiting.delete(report.kind)
      waiting?.resolve(report)
    })
    child.once('exit', (code, signal) => {
      running.delete(child)
      this.#failure = new Error(`${name} has ended (${signal ?? code}) ${errors.trim()}`)
      for (const { reject } of this.#waiting.values()) reject(this.#failure)
      this.#waiting.clear()
    })
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get running(): boolean {
    return this.#failure === null
  }

  tell(order: Order): void {
    if (this.#child.connected) this.#child.send(order)
  }

  next<Kind extends Report['kind']>(kind: Kind, limitMs: number): Promise<Extract<Report, { kind: Kind }>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure)
        return
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(kind)
        reject(new Error(`${this.#name} said no “${kind}” within ${limitMs} ms`))
      }, limitMs)
      this.#waiting.set(kind, {
        resolve: report => {
          clearTimeout(timer)
          resolve(report as Extract<Report, { kind: Kind }>)
        },
        reject: error => {
          clearTimeout(timer)
          reject(error)
        },
      })
    })
  }

  ask<Kind extends Report['kind']>(order: Order, kind: Kind, limitMs = 15_000) {
    const answer = this.next(kind, limitMs)
    this.tell(order)
    return answer
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}

/** In a child: orders in, reports out; it ends when its parent does. */
export function serve<Order, Report>(onOrder: (order: Order) => void): (report: Report) => void {
  // Ctrl-C goes to everybody in the terminal; the parent decides when its children end.
  process.on('SIGINT', () => undefined)
  process.on('disconnect', () => process.exit(0))
  process.on('message', order => onOrder(order as Order))
  return report => {
    if (process.connected) process.send?.(report)
  }
}
