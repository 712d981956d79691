// Micro: what the micro-benchmarks share: adding a case, and running a suite as a program.

import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type Benchmark from 'benchmark'
import { figure, quantile, table } from './report.mjs'

/** Operations that one run of a case stands for, by the case's name. */
const operationsOf = new Map<string, number>()

/** Adds a case; `operations` is what one run of it stands for. */
export function add(suite: Benchmark.Suite, name: string, operations: number, run: () => void): void {
  operationsOf.set(name, operations)
  suite.add(name, run)
}

/** Runs every case once, for about so long, and returns nanoseconds for each operation, by the case's name. */
export function runOnce(suite: Benchmark.Suite, seconds: number): Record<string, number> {
  const results: Record<string, number> = {}
  suite.forEach((one: Benchmark) => {
    Object.assign((one as unknown as { options: Benchmark.Options }).options, {
      maxTime: seconds,
      minTime: seconds / 5,
      minSamples: 5,
    })
  })
  suite.off('cycle')
  suite.on('cycle', (event: Benchmark.Event) => {
    const { name, hz, error } = event.target as unknown as { name: string; hz: number; error?: Error }
    if (error !== undefined) throw error
    results[name] = 1e9 / hz / (operationsOf.get(name) ?? 1)
  })
  suite.run({ async: false })
  return results
}

const help = (name: string) => `node .build/bench/micro/${name}.mjs [options]

  --rounds N      runs of each case (default 5)
  --seconds N     length of each (default 0.1)
`

/** Makes a program of a suite's module: prints the median of the rounds of each case, with the quarters below and above it. */
export function runAsMain(url: string, suite: Benchmark.Suite & { name?: string }): void {
  if (process.argv[1] !== fileURLToPath(url)) return
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '0.1' },
    },
  })
  if (values.help === true) {
    process.stdout.write(help(suite.name ?? ''))
    return
  }
  const seconds = Number(values.seconds)
  // Compiles, and does not count.
  runOnce(suite, seconds)
  if (process.send !== undefined) {
    // Started by bench:compare, which says whose turn it is.
    process.on('message', () => process.send?.(runOnce(suite, seconds)))
    process.send({})
    return
  }
  const rounds: Record<string, number>[] = []
  for (let round = 1; round <= Number(values.rounds); round++) {
    process.stderr.write(`round ${round} of ${values.rounds}\n`)
    rounds.push(runOnce(suite, seconds))
  }
  const rows = Object.keys(rounds[0] ?? {}).map(name => {
    const all = rounds.map(round => round[name] as number)
    return [name, ...[0.5, 0.25, 0.75].map(share => figure(quantile(all, share)))]
  })
  process.stdout.write(`${table([['ns an operation', 'median', 'lower', 'upper quarter'], ...rows])}\n`)
}
