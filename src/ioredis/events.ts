// Events: being an EventEmitter, the way ioredis' users find it.

import { EventEmitter } from 'node:events'
import { CONNECTION_CLOSED_ERROR_MSG } from './errors.js'

/** Copies the methods of an EventEmitter to a prototype: programs look for them on that very object, so inheriting them is not enough. */
export function addEvents(prototype: object): void {
  for (const name of Object.getOwnPropertyNames(EventEmitter.prototype)) {
    if (name === 'constructor') continue
    const descriptor = Object.getOwnPropertyDescriptor(EventEmitter.prototype, name)
    if (descriptor !== undefined) Object.defineProperty(prototype, name, descriptor)
  }
}

/** Makes the object ready for them. */
export function becomeEmitter(object: object): void {
  EventEmitter.call(object as EventEmitter)
}

interface Emitter {
  readonly status: string
  readonly manuallyClosing: boolean
  listenerCount(event: string): number
  emit(event: string, ...args: unknown[]): boolean
}

/**
 * Emits only where somebody listens; an error that nobody listens for is printed. An error that comes of closing on purpose is none.
 * @returns whether anybody was told
 */
export function emitSilently(emitter: Emitter, event: string, args: readonly unknown[]): boolean {
  const [error] = args as [(Error & { syscall?: string })?]
  if (event === 'error') {
    if (emitter.status === 'end') return false
    const ofConnection =
      error?.message === CONNECTION_CLOSED_ERROR_MSG || /^(?:connect|read)$/.test(error?.syscall ?? '')
    if (emitter.manuallyClosing && ofConnection) return false
  }
  if (emitter.listenerCount(event) > 0) return emitter.emit(event, ...args)
  if (event === 'error' && error instanceof Error) console.error('[ioredis] Unhandled error event:', error.stack)
  return false
}
