// bench:import: what it costs a program to load the package, beside ioredis, in one run.
//
// Every measurement is a process of its own that loads one package and ends. The packages take turns, and take turns at being first.

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { pinned } from './lib/pinned.mjs'
import { figure, machine, median, spread, table } from './lib/report.mjs'

const help = `npm run bench:import [-- options]

Time and heap of require('slotwise') and require('slotwise/core') beside require('ioredis'), each in fresh processes. Takes about
half a minute.

  --rounds N            measurements of each (default 31, at least 15), after one that does not count
  --quick               15 rounds
  --json FILE           writes every measurement
`

const require = createRequire(import.meta.url)
// By path: the built package, as it is shipped.
const built = (file: string) => fileURLToPath(new URL(`../../dist/${file}`, import.meta.url))
const packages = { slotwise: built('index.js'), 'slotwise/core': built('core.js'), ioredis: require.resolve('ioredis') }
type PackageName = keyof typeof packages
const packageNames = Object.keys(packages) as PackageName[]

interface Measured {
  wallMs: number
  /** User and system, all threads. */
  cpuMs: number
  /** What is still there after a collection. */
  heapKiB: number
  /** Of the process, by which it has grown. */
  rssKiB: number
  files: number
}

type Measurements = Map<PackageName, Measured[]>

const program = `
  const file = process.argv[1]
  gc()
  const { heapUsed: heapBefore, rss: rssBefore } = process.memoryUsage()
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  require(file)
  const wallMs = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpuBefore)
  const rssKiB = (process.memoryUsage().rss - rssBefore) / 1024
  gc()
  const heapKiB = (process.memoryUsage().heapUsed - heapBefore) / 1024
  const files = Object.keys(require.cache).length
  console.log(JSON.stringify({ wallMs, cpuMs: (user + system) / 1000, heapKiB, rssKiB, files }))`

const run = promisify(execFile)

async function measure(name: PackageName): Promise<Measured> {
  const [command, ...args] = [
    ...(pinned ? ['taskset', '-c', '0'] : []),
    process.execPath,
    '--expose-gc',
    '-e',
    program,
    packages[name],
  ]
  const { stdout } = await run(command as string, args, { timeout: 60_000 })
  return JSON.parse(stdout) as Measured
}

async function measureAll(rounds: number): Promise<Measurements> {
  const measurements: Measurements = new Map(packageNames.map(name => [name, []]))
  // Brings the files into the system's cache.
  for (const name of packageNames) await measure(name)
  for (let round = 1; round <= rounds; round++) {
    for (let turn = 0; turn < packageNames.length; turn++) {
      const name = packageNames[(round + turn) % packageNames.length] as PackageName
      measurements.get(name)?.push(await measure(name))
    }
    const latest = packageNames.map(name => `${name} ${figure(measurements.get(name)?.at(-1)?.wallMs as number)} ms`)
    process.stdout.write(`  round ${round}/${rounds}: ${latest.join(', ')}\n`)
  }
  return measurements
}

const quantities: Record<string, (measured: Measured) => number> = {
  'wall, ms': ({ wallMs }) => wallMs,
  'CPU, ms': ({ cpuMs }) => cpuMs,
  'heap, KiB': ({ heapKiB }) => heapKiB,
  'resident set, KiB': ({ rssKiB }) => rssKiB,
  files: ({ files }) => files,
}

/** The ratio to ioredis in each round. */
function ratios(measurements: Measurements, name: PackageName, quantity: (measured: Measured) => number): number[] {
  const base = measurements.get('ioredis') as Measured[]
  return (measurements.get(name) as Measured[]).map((each, i) => quantity(each) / quantity(base[i] as Measured))
}

function report(measurements: Measurements): string {
  const compared = packageNames.filter(name => name !== 'ioredis')
  const rows = [['require', ...packageNames, ...compared.map(name => `${name} / ioredis`)]]
  for (const [title, quantity] of Object.entries(quantities)) {
    const cost = (name: PackageName) => figure(median((measurements.get(name) as Measured[]).map(quantity)))
    rows.push([title, ...packageNames.map(cost), ...compared.map(name => spread(ratios(measurements, name, quantity)))])
  }
  const ratio = (title: string) => `${median(ratios(measurements, 'slotwise', quantities[title]!)).toFixed(2)}×`
  const lines = [
    table(rows),
    '(medians; a ratio is the median of the rounds, with least and most)',
    '',
    `bench:import: slotwise takes ${ratio('wall, ms')} the time of ioredis, ${ratio('CPU, ms')} the CPU, ` +
      `${ratio('heap, KiB')} the heap`,
  ]
  return `\n${lines.join('\n')}\n`
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      rounds: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'string' },
    },
  })
  if (values.help === true) {
    process.stdout.write(help)
    return
  }
  const rounds = Number(values.rounds ?? (values.quick === true ? 15 : 31))
  if (!Number.isInteger(rounds) || rounds < 15) {
    process.exitCode = 2
    process.stderr.write(`Cannot use: --rounds\n\n${help}`)
    return
  }
  process.stdout.write(`${machine()}; ${pinned ? 'on core 0' : 'not pinned to a core'}\n`)
  const measurements = await measureAll(rounds)
  process.stdout.write(report(measurements))
  if (values.json !== undefined) {
    writeFileSync(
      values.json,
      `${JSON.stringify({ machine: machine(), pinned, all: Object.fromEntries(measurements) }, null, 2)}\n`,
    )
  }
}

await main()
