// screen: progress in a terminal, on one line that changes; elsewhere a line for each phase.

const clearLine = '\r\x1b[2K'

export class Screen {
  readonly #live = process.stdout.isTTY === true
  #run = ''
  #phase = ''
  #phaseStartedAt = 0

  run(title: string): void {
    this.#run = title
    this.phase('starting a cluster')
  }

  phase(name: string): void {
    this.#phase = name
    this.#phaseStartedAt = performance.now()
    if (!this.#live) process.stdout.write(`${this.#run}: ${name}\n`)
  }

  sample(line: string): void {
    if (!this.#live) return
    const seconds = ((performance.now() - this.#phaseStartedAt) / 1000).toFixed(1)
    const text = `${this.#run}, ${this.#phase} ${seconds} s: ${line}`
    process.stdout.write(`${clearLine}${text.slice(0, (process.stdout.columns ?? 80) - 1)}`)
  }

  note(line: string): void {
    process.stdout.write(`${this.#live ? clearLine : ''}${this.#run}: ${line}\n`)
  }

  end(): void {
    if (this.#live) process.stdout.write(clearLine)
  }
}
