// Greeting: carries a handshake out, with another attempt where the server knows no HELLO or needs no password.

import type { SlotwiseError } from '../errors.js'
import { type HandshakeOptions, handshakeOutcome, handshakeReports, handshakeSteps } from './handshake.js'

/** The connection that is being made. */
export interface Greeter {
  /** For messages. */
  readonly endpoint: { readonly key: string }
  /** False once it has ended. */
  isGreeting(): boolean
  /** Sends a command of the handshake. */
  say(name: string, args: readonly string[], onReply: (reply: unknown) => void): void
  /** The server speaks RESP2. */
  fallBack(): void
  /** @param version of the server, as HELLO tells it; null where that was not asked */
  onGreeted(version: string | null): void
  onRefused(error: SlotwiseError): void
}

export function greet(greeter: Greeter, options: HandshakeOptions, protocol: 2 | 3): void {
  const steps = handshakeSteps(options, protocol)
  const replies: unknown[] = []
  const conclude = () => {
    if (!greeter.isGreeting()) return
    const lenient = options.onUnneededPassword !== undefined
    const outcome = handshakeOutcome(steps, replies, greeter.endpoint.key, lenient)
    if (outcome.kind === 'ready') {
      for (const report of handshakeReports(steps, replies)) options.onReport?.(report)
      greeter.onGreeted(toldVersion(replies))
    } else if (outcome.kind === 'failed') greeter.onRefused(outcome.error)
    else if (outcome.kind === 'unneeded-password') {
      options.onUnneededPassword?.(outcome.message)
      greet(greeter, { ...options, password: null }, protocol)
    } else {
      greeter.fallBack()
      greet(greeter, options, 2)
    }
  }
  // A step fails without a reply only when the connection goes, and a closed connection takes no outcome.
  // Not at once: whoever makes the connection does not hold it yet.
  if (steps.length === 0) queueMicrotask(conclude)
  for (const { name, args } of steps) {
    greeter.say(name, args, reply => {
      replies.push(reply)
      if (replies.length === steps.length) conclude()
    })
  }
}

/** Source: HELLO command page; the reply is a map with the keys `server`, `version`, `proto`, … */
function toldVersion(replies: readonly unknown[]): string | null {
  for (const reply of replies) {
    const version = reply instanceof Map ? reply.get('version') : undefined
    if (typeof version === 'string') return version
  }
  return null
}
