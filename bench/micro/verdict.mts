// What it costs to judge an error reply.

import Benchmark from 'benchmark'
import { replyError } from '../../src/errors.js'
import { verdict } from '../../src/routing/verdict.js'
import { add, runAsMain } from '../lib/micro.mjs'

export const suite = new Benchmark.Suite('verdict')
const count = 256

const cases: [string, string, string][] = [
  ['MOVED', 'MOVED 3999 127.0.0.1:6381', 'moved'],
  ['ASK', 'ASK 3999 127.0.0.1:6381', 'ask'],
  ['TRYAGAIN', 'TRYAGAIN Multiple keys request during rehashing of slot', 'retry'],
  ['CLUSTERDOWN', 'CLUSTERDOWN The cluster is down', 'retry'],
  ['WRONGTYPE', 'WRONGTYPE Operation against a key holding the wrong kind of value', 'fail'],
]
for (const [name, message, kind] of cases) {
  const errors = Array.from({ length: count }, () => replyError(message))
  add(suite, name, count, () => {
    for (const error of errors) if (verdict(error, true).kind !== kind) throw new Error('judged wrongly')
  })
}
add(suite, 'MOVED, the error made, too', 1, () => {
  if (verdict(replyError('MOVED 3999 127.0.0.1:6381'), true).kind !== 'moved') throw new Error('judged wrongly')
})

runAsMain(import.meta.url, suite)
