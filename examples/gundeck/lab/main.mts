// lab: the outage lab. See `--help`.

import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { LocalCluster } from '../../../scripts/local-cluster.mjs'
import { findRedisServer, redisServerVersion } from '../../../scripts/redis-server.mjs'
import { writeReport } from '../../../scripts/report/render.mjs'
import { checkReportData, type ReportData, type Run, reportFormat } from '../../../scripts/report/shape.mjs'
import { BlackHoles } from './black-holes.mjs'
import { insideNamespace, raiseLoopback, runInNamespace } from './network.mjs'
import { help, type Plan, planOf, UsageError } from './plan.mjs'
import { Screen } from './screen.mjs'
import { crowd, lateAfterMs, limits, payloadBytes, runStage } from './stage.mjs'
import { verdictsOf } from './verdicts.mjs'

const write = (line: string) => process.stdout.write(`${line}\n`)

/** npm runs scripts in the package's folder; paths are meant from where the user is. */
const userFolder = process.env.INIT_CWD ?? process.cwd()

async function main(): Promise<number> {
  const plan = planOf(process.argv.slice(2))
  if (plan === null) {
    write(help)
    return 0
  }
  const out = resolve(userFolder, plan.out)
  if (plan.from !== null) {
    return finish(joined(plan.from.map(file => readData(resolve(userFolder, file)))), out)
  }
  if (plan.mode === 'silent') {
    if (insideNamespace()) await raiseLoopback()
    else {
      const status = await runInNamespace(write)
      if (status !== null) return status
    }
  }
  return finish(await measure(plan), out)
}

function readData(path: string): ReportData {
  return checkReportData(JSON.parse(readFileSync(path, 'utf8')))
}

/** The runs of several files in one report, under the first one's heading. */
function joined(all: readonly ReportData[]): ReportData {
  const runs = all.flatMap(data => data.runs)
  if (new Set(runs.map(run => run.id)).size < runs.length) throw new Error('--from: the files have a run in common')
  return {
    ...(all[0] as ReportData),
    command: all.map(data => data.command).join('; '),
    runs,
    verdicts: all.flatMap(data => data.verdicts),
  }
}

async function finish(data: ReportData, out: string): Promise<number> {
  const path = await writeReport(data, out)
  write('')
  for (const { holds, promise, measured, limit } of data.verdicts)
    write(`${holds ? ' holds ' : 'BROKEN '} ${promise}: ${measured} (limit: ${limit})`)
  const broken = data.verdicts.filter(verdict => !verdict.holds).length
  write(`\nThe report: ${path}\nOpen it in a browser, for example: xdg-open ${path}`)
  write(`The data:   ${join(out, 'data.json')}`)
  if (data.verdicts.length === 0) write('lab: done (nothing is promised of these variants)')
  else
    write(broken === 0 ? `lab: OK (${data.verdicts.length} promises hold)` : `lab: FAILED (${broken} promises broken)`)
  return broken === 0 ? 0 : 1
}

async function measure(plan: Plan): Promise<ReportData> {
  const startedAt = new Date()
  const server = await findRedisServer({ install: true, log: write })
  const version = await redisServerVersion(server)
  const { warmUpMs, baselineMs, outageMs, settleMs } = plan.timing
  const runMs = warmUpMs + baselineMs + 2 * (outageMs + settleMs) + 9000
  const censusMs = warmUpMs + outageMs + settleMs + 8000
  const totalMs = plan.runs.reduce((sum, run) => sum + runMs + (run.census ? censusMs : 0), 0)
  write(`${plan.runs.length} runs, about ${(totalMs / 60_000).toFixed(1)} minutes. Ctrl-C ends all of it.`)
  const screen = new Screen()
  const runs: Run[] = []
  for (const [i, { variant, rate, census }] of plan.runs.entries()) {
    screen.run(`${i + 1}/${plan.runs.length} ${variant} at ${rate}x`)
    // A cluster for each: none inherits what another has done to its servers.
    await using cluster = await LocalCluster.start({
      primaries: 3,
      replicasPerPrimary: 1,
      nodeTimeoutMs: 2000,
      persistence: 'aof',
      // Each write reaches the operating system before it is acknowledged, so a killed server has lost none.
      config: { appendfsync: 'no' },
    })
    const holes = plan.mode === 'silent' && !insideNamespace() ? await BlackHoles.before(cluster) : null
    runs.push(
      await runStage({
        variant,
        rate,
        mode: plan.mode,
        timing: plan.timing,
        census,
        requestsPerSec: plan.baseRequestsPerSec * rate,
        cluster,
        holes,
        onPhase: name => screen.phase(name),
        onSample: line => screen.sample(line),
      }),
    )
    holes?.close()
    screen.note(summary(runs.at(-1) as Run))
  }
  screen.end()
  const bounds = { queuedBytes: limits.maxQueuedBytes, backgroundBytes: limits.maxBackgroundPushBytes }
  const how = {
    kill: 'killed',
    freeze: 'frozen (SIGSTOP)',
    silent: `cut off: ${insideNamespace() ? 'their packets are dropped' : 'proxies before them swallow everything'}`,
    none: '',
  }[plan.mode]
  const story =
    plan.mode === 'none'
      ? 'Nothing is done to its cluster of six servers while requests go on at a fixed rate: this is the control. '
      : `Its cluster of six servers is ${how}, all at once, while requests go on at a fixed rate; ` +
        `after ${plan.timing.outageMs / 1000} s the servers come back; then the same again. `
  return {
    format: reportFormat,
    title: 'A push service while its Redis Cluster is away',
    startedAt: startedAt.toISOString(),
    machine: `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, Node.js ${process.version}, redis-server ${version}`,
    command: commandOf(process.argv.slice(2)),
    summary:
      `A push service keeps in Redis which user is connected where, and looks it up for every push. ${story}` +
      'The same service runs on several clients, one after the other, each in a process and on a cluster of its own.',
    settings: {
      '1x': `${plan.baseRequestsPerSec} requests/s: 80 % pushes, 15 % look-ups, 5 % registrations`,
      users: `${crowd.users}, with ${crowd.socketsPerUser} websockets each, on two Cannons`,
      push: `${crowd.recipients} recipients, so ${crowd.recipients * crowd.socketsPerUser} messages; about ${payloadBytes + 900} bytes; transient`,
      outage: `${plan.timing.outageMs / 1000} s, ${plan.mode}`,
      'requests wait': `${limits.requestTimeoutMs} ms at most; pushes ${limits.backgroundTimeoutMs} ms`,
      'bounds of the service': `${limits.maxQueuedBytes / 1048576} MB of calls (slotwise's maxQueuedBytes), ${limits.maxBackgroundPushBytes / 1048576} MB of pushes (every client but the faulty model)`,
      'late message': `over ${lateAfterMs / 1000} s after its push was sent`,
      'waiting calls': 'given to the client and not settled by it, whoever has stopped waiting',
      samples: '10 a second; memory and sockets from /proc, the rest from within the process',
    },
    runs,
    verdicts: verdictsOf(runs, bounds),
  }
}

/** As it can be run again: where its report went is no part of it. */
function commandOf(args: readonly string[]): string {
  const out = args.indexOf('--out')
  const kept = args.filter((arg, i) => !arg.startsWith('--out=') && (out === -1 || (i !== out && i !== out + 1)))
  return kept.length === 0 ? 'npm run lab' : `npm run lab -- ${kept.join(' ')}`
}

function summary({ figures }: Run): string {
  const mb = (bytes: number | null) => (bytes === null ? '–' : `${(bytes / 1048576).toFixed(0)}`)
  const list = (values: (number | null)[], digits: number) =>
    values.map(value => value?.toFixed(digits) ?? '–').join('/')
  return (
    `heap ${mb(figures.heapBaselineBytes)} → ${mb(figures.heapHeldBytes)} → ${mb(figures.heapAfterBytes)} MB, ` +
    `resident ${mb(figures.residentBaselineBytes)} → ${mb(figures.residentPeakBytes)} → ${mb(figures.residentAfterBytes)} MB, ` +
    `sockets ${figures.socketsBaseline} → ${figures.socketsPeak} → ${figures.socketsAfter}, ` +
    `dials/s ${list(figures.dialsPerSec, 1)}, back after ${list(figures.recoveryMs, 0)} ms, ` +
    `pushes lost ${figures.pushes?.lost}, late ${figures.pushes?.late}, twice ${figures.pushes?.duplicated}`
  )
}

try {
  // The last lines must have left before the process ends, and nothing may keep it.
  process.exitCode = await main()
  process.stdout.write('', () => process.exit())
} catch (error) {
  process.stderr.write(
    error instanceof UsageError ? `lab: ${error.message}\n--help tells more.\n` : `lab: ${(error as Error).message}\n`,
  )
  process.exit(2)
}
