// AbortWatch: the signals that open calls listen to.
// Owns    one `abort` listener for each signal, however many calls share it (Node warns about more than ten on one signal).
// Born    with the client.
// Dies    call by call: a signal whose last call has settled is let go of.
// Holds   a call is listed under its signal exactly while it is open.

import type { Call } from './call.js'

interface Watched {
  calls: Set<Call>
  onAbort(): void
}

export class AbortWatch {
  readonly #watched = new Map<AbortSignal, Watched>()

  /** Aborting the signal fails the call in whatever phase it is; at once if it has been aborted already. */
  add(call: Call, signal: AbortSignal): void {
    if (signal.aborted) {
      call.onAbort(signal.reason)
      return
    }
    let watched = this.#watched.get(signal)
    if (watched === undefined) {
      const calls = new Set<Call>()
      watched = { calls, onAbort: () => abortAll(calls, signal) }
      this.#watched.set(signal, watched)
      signal.addEventListener('abort', watched.onAbort)
    }
    watched.calls.add(call)
    call.extras = { ...call.extras, signal }
  }

  /** The call has settled. */
  remove(call: Call, signal: AbortSignal): void {
    const watched = this.#watched.get(signal)
    if (watched === undefined) return
    watched.calls.delete(call)
    if (watched.calls.size !== 0) return
    signal.removeEventListener('abort', watched.onAbort)
    this.#watched.delete(signal)
  }
}

function abortAll(calls: ReadonlySet<Call>, signal: AbortSignal): void {
  // Each call that fails leaves the set, which is what ends the listening.
  for (const call of [...calls]) call.onAbort(signal.reason)
}
