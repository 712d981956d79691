// ConnectWaiters: those who wait for a client to become usable, each with a deadline.
// Owns    their timers.
// Born    with the client.
// Dies    with it; settle() leaves nothing behind.

interface Waiter {
  resolve(): void
  reject(error: Error): void
  timer: NodeJS.Timeout | null
}

export class ConnectWaiters {
  #waiters: Waiter[] = []

  /**
   * @param timeoutMs how long to wait, in milliseconds; 0 for no limit
   * @param overdue makes the error for a wait that has come to its limit
   */
  wait(timeoutMs: number, overdue: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject, timer: null }
      if (timeoutMs !== 0) {
        waiter.timer = setTimeout(() => {
          this.#waiters = this.#waiters.filter(other => other !== waiter)
          reject(overdue())
        }, timeoutMs)
      }
      this.#waiters.push(waiter)
    })
  }

  /** Resolves all of them, or rejects them with the error. */
  settle(error?: Error): void {
    for (const waiter of this.#waiters.splice(0)) {
      if (waiter.timer !== null) clearTimeout(waiter.timer)
      if (error === undefined) waiter.resolve()
      else waiter.reject(error)
    }
  }
}
