// What it costs to find the slot of a key, and of a command's keys.

import Benchmark from 'benchmark'
import { keyIndexes, resolveCommand, slotOfCommand, specOf } from '../../src/command/command.js'
import { slotOf } from '../../src/command/slot.js'
import { add, runAsMain } from '../lib/micro.mjs'

export const suite = new Benchmark.Suite('slot')
const count = 1024
let sink = 0

/** Keys of one length that differ in their tails, as an application's do. */
function keysOf(length: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, i) => prefix + (i * 7919).toString(36).padStart(length - prefix.length, '0'))
}

function each(name: string, run: (i: number) => number): void {
  add(suite, name, count, () => {
    for (let i = 0; i < count; i++) sink ^= run(i)
    if (sink === 0.5) throw new Error('keeps the result in use')
  })
}

for (const length of [8, 20, 40]) {
  const plain = keysOf(length, 'k:')
  const tagged = keysOf(length, '{u}:')
  const accented = keysOf(length, 'é:')
  const bytes = plain.map(key => Buffer.from(key))
  each(`slotOf, string of ${length}`, i => slotOf(plain[i] as string))
  each(`slotOf, string of ${length} with a tag of 1`, i => slotOf(tagged[i] as string))
  each(`slotOf, string of ${length}, not ASCII`, i => slotOf(accented[i] as string))
  each(`slotOf, Buffer of ${length}`, i => slotOf(bytes[i] as Buffer))
}

const keys = keysOf(20, 'k:')
const spellings = ['GET', 'get', 'SET', 'set', 'HGET', 'hget', 'DEL', 'del']
each('resolveCommand, known name', i => resolveCommand(spellings[i & 7] as string).head.length)

const calls: [string, (key: string) => string[]][] = [
  ['GET k', key => [key]],
  ['DEL k', key => [key]],
  ['MGET k k k', key => [key, key, key]],
  ['EVALSHA sha 1 k', key => ['e0e1f9fabfc9d4800c877a703b823ac0578ff8db', '1', key]],
  ['XGROUP CREATE k g $', key => ['CREATE', key, 'g', '$']],
  ['PING', () => []],
]
for (const [title, argumentsOf] of calls) {
  const command = resolveCommand(title.split(' ')[0] as string)
  const args = keys.map(argumentsOf)
  each(`specOf + slotOfCommand, ${title}`, i =>
    slotOfCommand(specOf(command, args[i] as string[]), args[i] as string[]),
  )
}
const mget = resolveCommand('MGET').spec
each('keyIndexes, MGET of 3', () => keyIndexes(mget, ['a', 'b', 'c']).length)

runAsMain(import.meta.url, suite)
