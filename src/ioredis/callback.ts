// Callback: the older way of getting an outcome, beside the promise.

// biome-ignore lint/suspicious/noExplicitAny: a callback takes whatever its command is answered with
export type NodeCallback<T = any> = (error: Error | null | undefined, result?: T) => void

/**
 * Hands the outcome to the callback, if there is one, and returns the promise. With a callback the promise counts as handled; what
 * the callback throws is thrown in a turn of its own.
 */
export function asCallback<T>(promise: Promise<T>, callback: NodeCallback<T> | undefined): Promise<T> {
  if (typeof callback === 'function') {
    promise.then(
      result => run(callback, null, result),
      (error: Error) => run(callback, error ?? new Error(String(error))),
    )
  }
  return promise
}

function run<T>(callback: NodeCallback<T>, error: Error | null, result?: T): void {
  try {
    if (error !== null) callback(error)
    // connect() has no result to give.
    else if (result === undefined) callback(null)
    else callback(null, result)
  } catch (thrown) {
    process.nextTick(() => {
      throw thrown
    })
  }
}

export function noop(): void {}

/** Says that whoever gets this promise does not look at it: it is no unhandled one when it rejects. */
export function handled(promise: unknown): void {
  if (promise instanceof Promise) promise.catch(noop)
}

let lastResolve: (outcome: unknown) => void

/** For `new Promise()`: one function for all promises, where a closure for each would be the larger part of a command. */
export function captureResolve(resolve: (outcome: unknown) => void): void {
  lastResolve = resolve
}

/** What resolves the promise that was made last with {@link captureResolve}. */
export function resolveOfLast(): (outcome: unknown) => void {
  return lastResolve
}
