// bench:compare: the micro-benchmarks of this working tree beside those of another revision, in one run.
//
// The revision is checked out in a temporary worktree and gets the micro-benchmarks as they are here, so that both measure the same;
// what does not run there (because what it measures was not there yet) is left out. The two take turns.

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { pinned } from './lib/pinned.mjs'
import { figure, machine, median, quarters, table } from './lib/report.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const suites = readdirSync(join(root, 'bench/micro')).map(file => file.replace('.mts', ''))

const help = `npm run bench:compare -- REVISION [options]

Runs the micro-benchmarks (${suites.join(', ')}) of this working tree and of another revision, in turns, and prints the ratio of
each: below 1, this working tree is faster. Builds the revision in a temporary folder. Takes about three minutes.

  --only slot,call      micro-benchmarks; default all
  --rounds N            rounds (default 7)
  --seconds N           length of each case in a round (default 0.1)
`

/** Nanoseconds an operation, by the name of the case; null when the suite does not run. */
type Run = Record<string, number> | null

const run = promisify(execFile)

/** A suite of one of the two, in a process of its own that works when it is asked to. */
class Suite {
  readonly #child: ChildProcess
  readonly #gone: Promise<null>

  constructor(dir: string, suite: string, seconds: string) {
    const [command, ...args] = [
      ...(pinned ? ['taskset', '-c', '0'] : []),
      process.execPath,
      join(dir, `.build/bench/micro/${suite}.mjs`),
      '--seconds',
      seconds,
    ]
    this.#child = spawn(command as string, args, {
      stdio: ['ignore', 'ignore', dir === root ? 'inherit' : 'ignore', 'ipc'],
    })
    this.#gone = once(this.#child, 'close').then(() => null)
    children.add(this.#child)
  }

  /** The next that it tells. */
  async next(): Promise<Run> {
    const message = once(this.#child, 'message').then(([results]) => results as Run)
    return Promise.race([message, this.#gone])
  }

  run(): Promise<Run> {
    if (this.#child.connected) this.#child.send(0)
    return this.next()
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#gone
    children.delete(this.#child)
  }
}

const children = new Set<ChildProcess>()

/** Checks out and builds the revision; the folder is the caller's to remove. */
async function build(revision: string, dir: string): Promise<void> {
  execFileSync('git', ['worktree', 'add', '--detach', dir, revision], { cwd: root, stdio: 'pipe' })
  const lockOf = (folder: string) => readFileSync(join(folder, 'package-lock.json'), 'utf8')
  if (lockOf(dir) === lockOf(root)) symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'))
  else {
    process.stdout.write('  its packages are others: npm install\n')
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: dir })
  }
  rmSync(join(dir, 'bench'), { recursive: true, force: true })
  cpSync(join(root, 'bench/micro'), join(dir, 'bench/micro'), { recursive: true })
  for (const file of ['micro', 'report', 'pinned']) {
    cpSync(join(root, `bench/lib/${file}.mts`), join(dir, `bench/lib/${file}.mts`))
  }
  const config = {
    extends: './tsconfig.json',
    compilerOptions: { noEmit: false, rootDir: '.', outDir: '.build', paths: {} },
    include: ['bench'],
  }
  writeFileSync(join(dir, 'tsconfig.bench.json'), JSON.stringify(config))
  // What does not fit the revision's types may run all the same, or not: that is seen when it is measured.
  const compiler = join(dir, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [compiler, '-p', join(dir, 'tsconfig.bench.json')]).catch(() => undefined)
}

async function compare(dir: string, suite: string, rounds: number, seconds: string): Promise<string[][]> {
  const pairs: [Record<string, number>, Record<string, number>][] = []
  const here = new Suite(root, suite, seconds)
  // Each warms up when it is started: one after the other.
  if ((await here.next()) === null) throw new Error(`${suite} does not run`)
  const there = new Suite(dir, suite, seconds)
  try {
    if ((await there.next()) === null) return [[suite, '–', '–', 'does not run at the revision']]
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? [here, there] : [there, here]
      const results = new Map<Suite, Run>()
      for (const each of order) results.set(each, await each.run())
      pairs.push([results.get(here) ?? {}, results.get(there) ?? {}])
      process.stdout.write(`  ${suite}, round ${round + 1}/${rounds}\n`)
    }
  } finally {
    await here.end()
    await there.end()
  }
  return Object.keys(pairs[0]?.[0] ?? {}).map(name => {
    const both = pairs.map(([here, there]) => [here[name], there[name]] as [number, number])
    return [
      `${suite}: ${name}`,
      figure(median(both.map(([here]) => here))),
      figure(median(both.map(([, there]) => there))),
      quarters(both.map(([here, there]) => here / there)),
    ]
  })
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      only: { type: 'string' },
      rounds: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '0.1' },
    },
  })
  if (values.help === true) {
    process.stdout.write(help)
    return
  }
  const chosen = values.only?.split(',') ?? suites
  const rounds = Number(values.rounds)
  const wrong = [
    ...(positionals.length === 1 ? [] : ['REVISION']),
    ...chosen.filter(name => !suites.includes(name)),
    ...(Number.isInteger(rounds) && rounds > 0 ? [] : ['--rounds']),
    ...(Number(values.seconds) > 0 ? [] : ['--seconds']),
  ]
  if (wrong.length > 0) {
    process.exitCode = 2
    process.stderr.write(`Cannot use: ${wrong.join(', ')}\n\n${help}`)
    return
  }
  const [revision] = positionals as [string]
  const name = execFileSync('git', ['describe', '--always', revision], { cwd: root, encoding: 'utf8' }).trim()
  process.stdout.write(`${machine()}; ${pinned ? 'on core 0' : 'not pinned to a core'}\nbuilding ${name} …\n`)
  const dir = mkdtempSync(join(tmpdir(), 'slotwise-compare-'))
  process.once('SIGINT', () => process.exit(130))
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
    execFileSync('git', ['worktree', 'prune'], { cwd: root })
  })
  await build(revision, dir)
  const rows: string[][] = []
  for (const suite of chosen) rows.push(...(await compare(dir, suite, rounds, values.seconds)))
  process.stdout.write(`\n${table([['ns an operation', 'here', name, 'here / there (quarters)'], ...rows])}\n`)
  process.stdout.write(`bench:compare: ${rows.length} cases beside ${name}; below 1 is faster here\n`)
}

await main()
