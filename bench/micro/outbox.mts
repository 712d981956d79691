// What it costs to write the calls of a turn, on a socket that takes everything and does nothing.

import type { Socket } from 'node:net'
import Benchmark from 'benchmark'
import { resolveCommand } from '../../src/command/command.js'
import { Issuer } from '../../src/command/issuer.js'
import { CallQueue } from '../../src/connection/call-queue.js'
import { Outbox } from '../../src/connection/outbox.js'
import { Turn } from '../../src/turn.js'
import { add, runAsMain } from '../lib/micro.mjs'

export const suite = new Benchmark.Suite('outbox')
const options = { timeoutMs: 10_000, maxQueueAgeMs: 5000, maxQueuedBytes: 2 ** 25, maxQueuedCalls: 1_000_000 }

function flushes(name: string, count: number, command: string, argumentsOf: (i: number) => (string | Buffer)[]): void {
  const issuer = new Issuer(options, new Turn())
  const queue = new CallQueue(() => ({}))
  let written = 0
  const socket = {
    write: (data: string | Uint8Array) => {
      written += data.length
      return true
    },
    cork: () => undefined,
    uncork: () => undefined,
  }
  const outbox = new Outbox(socket as unknown as Socket, queue)
  const args = Array.from({ length: count }, (_, i) => argumentsOf(i))
  const resolved = resolveCommand(command)
  const ignore = () => undefined
  add(suite, name, count, () => {
    written = 0
    for (let i = 0; i < count; i++) queue.push(issuer.issue(resolved, args[i] as string[], i, 0, 10_000, ignore))
    outbox.flush()
    if (written === 0) throw new Error('nothing was written')
    for (let call = queue.shiftSent(); call !== undefined; call = queue.shiftSent()) call.fulfil('OK')
  })
}

flushes('GET, 200 a turn', 200, 'GET', i => [`key:${i}`])
flushes('GET, 1 a turn', 1, 'GET', i => [`key:${i}`])
flushes('SET, 1 KiB, 200 a turn', 200, 'SET', i => [`key:${i}`, 'y'.repeat(1024)])
flushes('SET, Buffer of 10 KiB, 20 a turn', 20, 'SET', i => [`key:${i}`, Buffer.alloc(10 * 1024)])

runAsMain(import.meta.url, suite)
