// What it costs to find the slot of a key, and of a command's keys, in nanoseconds a call.
//
//   node .build/bench/slot.mjs

import { keyIndexes, resolveCommand, slotOfCommand, specOf } from '../src/command/command.js'
import { slotOf } from '../src/command/slot.js'

const count = 1024
const rounds = 7
const repeats = 500

/** Keys of one length that differ in their tails, as an application's do. */
function keysOf(length: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, i) => prefix + (i * 7919).toString(36).padStart(length - prefix.length, '0'))
}

let sink = 0

/** The best of several rounds: what is slower than that was the machine's doing. */
function measure(name: string, run: (i: number) => number): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const start = process.hrtime.bigint()
    for (let repeat = 0; repeat < repeats; repeat++) for (let i = 0; i < count; i++) sink ^= run(i)
    best = Math.min(best, Number(process.hrtime.bigint() - start) / (repeats * count))
  }
  console.log(`${name.padEnd(44)} ${best.toFixed(1).padStart(7)} ns`)
}

for (const length of [8, 20, 40]) {
  const plain = keysOf(length, 'k:')
  const tagged = keysOf(length, '{u}:')
  const accented = keysOf(length, 'é:')
  const bytes = plain.map(key => Buffer.from(key))
  measure(`slotOf, string of ${length}`, i => slotOf(plain[i] as string))
  measure(`slotOf, string of ${length} with a tag of 1`, i => slotOf(tagged[i] as string))
  measure(`slotOf, string of ${length}, not ASCII`, i => slotOf(accented[i] as string))
  measure(`slotOf, Buffer of ${length}`, i => slotOf(bytes[i] as Buffer))
}

const keys = keysOf(20, 'k:')
const spellings = ['GET', 'get', 'SET', 'set', 'HGET', 'hget', 'DEL', 'del']
measure('resolveCommand, known name', i => resolveCommand(spellings[i & 7] as string).head.length)

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
  measure(`specOf + slotOfCommand, ${title}`, i =>
    slotOfCommand(specOf(command, args[i] as string[]), args[i] as string[]),
  )
}
const mget = resolveCommand('MGET').spec
measure('keyIndexes, MGET of 3', () => keyIndexes(mget, ['a', 'b', 'c']).length)
if (sink === 0.5) console.log(sink)
