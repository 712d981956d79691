// Deep path of ioredis, kept for those who import it: its small helpers.

import { debuglog } from 'node:util'
import type { Condition } from '../../ioredis/status.js'
import { toText } from '../../ioredis/transformers.js'

export { noop } from '../../ioredis/callback.js'
export { CONNECTION_CLOSED_ERROR_MSG } from '../../ioredis/errors.js'
export { toArg } from '../../ioredis/transformers.js'
export { isInt, parseURL } from '../../ioredis/url.js'

export function isArguments(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object Arguments]'
}

/** Fills in, from the sources in turn, what the target has not. */
export function defaults(target: object, ...sources: (object | null | undefined)[]): object {
  const filled = target as Record<string, unknown>
  for (const source of sources) {
    for (const name in source ?? {}) if (filled[name] === undefined) filled[name] = (source as typeof filled)[name]
  }
  return target
}

/** Prints when NODE_DEBUG names `ioredis:<namespace>`. */
export function Debug(namespace: string): (format: string, ...args: unknown[]) => void {
  return debuglog(`ioredis:${namespace}`)
}

export function zipMap<Key, Value>(keys: readonly Key[], values: readonly Value[]): Map<Key, Value> {
  return new Map(keys.map((key, i) => [key, values[i] as Value]))
}

export function isResp2SubscriberMode(condition: Condition | undefined): boolean {
  return Boolean(condition?.subscriber) && condition?.protocol !== 3
}

/** In place. */
export function shuffle<Item>(items: Item[]): Item[] {
  for (let i = items.length - 1; i > 0; i--) {
    const k = Math.floor(Math.random() * (i + 1))
    ;[items[i], items[k]] = [items[k] as Item, items[i] as Item]
  }
  return items
}

/** Any item from the given position on; null when there is none. */
export function sample<Item>(items: readonly Item[], from = 0): Item | null {
  return items.length > from ? (items[from + Math.floor(Math.random() * (items.length - from))] as Item) : null
}

/** There are no profiles here: options stay as they are. */
export function resolveTLSProfile<Options>(options: Options): Options {
  return options
}

/** The error with the lines of another stack, from the first on that is not of the given folder. */
export function optimizeErrorStack(error: Error, friendlyStack: string, filterPath: string): Error {
  const lines = friendlyStack.split('\n').slice(1)
  const first = Math.max(
    0,
    lines.findIndex(line => !line.includes(filterPath)),
  )
  error.stack = [(error.stack ?? '').split('\n')[0], ...lines.slice(first)].join('\n')
  return error
}

export function convertMapToArray(map: ReadonlyMap<unknown, unknown>): unknown[] {
  return [...map].flat(1)
}

export function convertObjectToArray(object: object): unknown[] {
  return Object.entries(object).flat(1)
}

/** `['a', 1, 'b', 2]` to `{a: 1, b: 2}`. */
export function packObject(pairs: readonly unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (let i = 0; i + 1 < pairs.length; i += 2) object[String(pairs[i])] = pairs[i + 1]
  return object
}

/** Calls back once: with what it is called with, or after so many milliseconds with the error `timeout`. */
export function timeout(callback: (...args: unknown[]) => void, limitMs: number): (...args: unknown[]) => void {
  let timer: NodeJS.Timeout | null = null
  const run = (...args: unknown[]) => {
    if (timer === null) return
    clearTimeout(timer)
    timer = null
    callback(...args)
  }
  timer = setTimeout(run, limitMs, new Error('timeout'))
  return run
}

/** EXEC's reply as [error, reply] pairs; null when it was none. */
export function wrapMultiResult(replies: readonly unknown[] | null): [Error | null, unknown?][] | null {
  return replies === null ? null : replies.map(reply => (reply instanceof Error ? [reply] : [null, reply]))
}

export function convertBufferToString(value: unknown, encoding: BufferEncoding = 'utf8'): unknown {
  return toText(value, encoding)
}
