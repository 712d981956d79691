// What a call's life costs beside its bytes: made, entered into the deadline wheel, queued, sent, answered, settled.

import Benchmark from 'benchmark'
import type { Call } from '../../src/command/call.js'
import { nameFor, resolveCommand } from '../../src/command/command.js'
import { Issuer } from '../../src/command/issuer.js'
import { CallQueue } from '../../src/connection/call-queue.js'
import { Turn } from '../../src/turn.js'
import { add, runAsMain } from '../lib/micro.mjs'

export const suite = new Benchmark.Suite('call')
const count = 200
const options = { timeoutMs: 10_000, maxQueueAgeMs: 5000, maxQueuedBytes: 2 ** 25, maxQueuedCalls: 1_000_000 }

function lives(name: string, timeoutMs: number, issue: (issuer: Issuer, i: number, timeoutMs: number) => Call): void {
  const issuer = new Issuer(options, new Turn())
  const queue = new CallQueue(() => ({}))
  add(suite, name, count, () => {
    for (let i = 0; i < count; i++) queue.push(issue(issuer, i, timeoutMs))
    while (queue.takeUnsent() !== undefined);
    for (let call = queue.shiftSent(); call !== undefined; call = queue.shiftSent()) call.fulfil('reply')
    if (issuer.issued !== issuer.settled) throw new Error('a call has not settled')
  })
}

const args = Array.from({ length: count }, (_, i) => [`key:${i}`])
const get = resolveCommand('GET')
const set = resolveCommand('SET')
const ignore = () => undefined

lives('GET, with a deadline', 10_000, (issuer, i, timeoutMs) =>
  issuer.issue(get, args[i] as string[], i, 0, timeoutMs, ignore),
)
lives('GET, without a deadline', 2 ** 30, (issuer, i, timeoutMs) =>
  issuer.issue(get, args[i] as string[], i, 0, timeoutMs, ignore),
)
lives('SET, with a deadline', 10_000, (issuer, i, timeoutMs) =>
  issuer.issue(nameFor(set, args[i] as string[]), args[i] as string[], i, 0, timeoutMs, ignore),
)

runAsMain(import.meta.url, suite)
