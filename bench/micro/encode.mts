// What it costs to turn commands into bytes: 200 at a time, as the outbox does it.

import Benchmark from 'benchmark'
import { FrameWriter, type WireArgument } from '../../src/resp/encode.js'
import { add, runAsMain } from '../lib/micro.mjs'

export const suite = new Benchmark.Suite('encode')
const count = 200

function of(name: string, head: string, argumentsOf: (i: number) => WireArgument[]): void {
  const calls = Array.from({ length: count }, (_, i) => argumentsOf(i))
  const writer = new FrameWriter()
  add(suite, name, count, () => {
    for (let i = 0; i < count; i++) writer.append(head, calls[i] as WireArgument[])
    if (writer.take().length === 0) throw new Error('nothing was encoded')
  })
}

const kilobyte = 'y'.repeat(1024)
const fields = Array.from({ length: 20 }, (_, i) => [`field${i}`, `value${i}`]).flat()

of('GET', '$3\r\nGET\r\n', i => [`key:${i}`])
of('SET, 1 KiB', '$3\r\nSET\r\n', i => [`key:${i}`, kilobyte])
of('SET, 32 bytes, not ASCII', '$3\r\nSET\r\n', i => [`key:${i}`, 'é'.repeat(16)])
of('SET, Buffer of 32', '$3\r\nSET\r\n', i => [`key:${i}`, Buffer.alloc(32, 'x')])
of('SET, Buffer of 10 KiB', '$3\r\nSET\r\n', i => [`key:${i}`, Buffer.alloc(10 * 1024, 'x')])
of('HSET, 20 fields', '$4\r\nHSET\r\n', i => [`h:${i}`, ...fields])
of('LRANGE, numbers', '$6\r\nLRANGE\r\n', i => [`l:${i}`, 0, 99])

runAsMain(import.meta.url, suite)
