// bench:reliability: what clients do while servers fail, under the same script and at the same time.

import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type DriverName, driverNames } from './faults/drivers.mjs'
import { type Figures, run } from './faults/run.mjs'
import { scenarios } from './faults/scenarios.mjs'
import { betweenMarks, figure, machine, markdown, table } from './lib/report.mjs'

const help = `npm run bench:reliability [-- options]

Faults on real clusters of 3 primaries and 3 replicas, with every client at work on each at the same time: nine callers a client, each of which
appends numbers to a list of its own. Afterwards what the callers were told is held against what the servers have. Takes about four minutes.

  --only kill-all,…     ${Object.keys(scenarios).join(', ')}; default all
  --clients slotwise,…  ${driverNames.join(', ')}; default all
  --rounds N            each scenario so many times (default 1); figures are of all rounds
  --json FILE           writes the figures
  --doc FILE            writes each table between the marks of its scenario in a Markdown file; what was not run stays
`

const columns = [
  '',
  'first success ms',
  'longest silence ms',
  'acked',
  'failed',
  'never settled',
  'lost',
  'twice',
  'disordered',
  'late',
  'heap peak MiB',
  'fds peak',
  'fds left',
  'handles left',
  'unhandled',
]

function row(driver: DriverName, figures: Figures): string[] {
  const {
    verdict,
    firstSuccessMs,
    silenceMs,
    heapBeforeMiB,
    heapPeakMiB,
    fdsBefore,
    fdsPeak,
    fdsAfter,
    resourcesLeft,
    unhandled,
  } = figures
  return [
    driver,
    firstSuccessMs === null ? 'never' : firstSuccessMs.toFixed(0),
    silenceMs.toFixed(0),
    String(verdict.acked),
    String(verdict.failed),
    String(verdict.open),
    String(verdict.lost.length),
    String(verdict.duplicates.length),
    String(verdict.disordered.length),
    String(verdict.late.length),
    figure(heapPeakMiB - heapBeforeMiB),
    String(fdsPeak - fdsBefore),
    String(fdsAfter - fdsBefore),
    String(resourcesLeft.length),
    String(unhandled.length),
  ]
}

/** Puts what was measured of a scenario between its two marks in the text; where there are none, a section of its own at the end. */
function withFigures(text: string, name: string, title: string, measured: string): string {
  const found = betweenMarks(text, name, measured)
  return found ?? `${text.trimEnd()}\n\n### ${title}\n\n<!-- ${name} -->\n\n${measured}\n\n<!-- /${name} -->\n`
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      only: { type: 'string' },
      clients: { type: 'string' },
      rounds: { type: 'string' },
      json: { type: 'string' },
      doc: { type: 'string' },
    },
  })
  const chosen = values.only?.split(',') ?? Object.keys(scenarios)
  const clients = (values.clients?.split(',') ?? driverNames) as DriverName[]
  const rounds = Number(values.rounds ?? 1)
  const wrong = [
    ...chosen.filter(name => !(name in scenarios)),
    ...clients.filter(name => !driverNames.includes(name)),
    ...(Number.isInteger(rounds) && rounds > 0 ? [] : ['--rounds']),
  ]
  if (values.help === true || wrong.length > 0) {
    process.stdout.write((wrong.length > 0 ? `Cannot use: ${wrong.join(', ')}\n\n` : '') + help)
    process.exitCode = wrong.length > 0 ? 2 : 0
    return
  }
  process.stdout.write(`${machine()}\n`)
  const results: Record<string, Partial<Record<DriverName, Figures>>[]> = {}
  for (const name of chosen) {
    const rows = [columns]
    results[name] = []
    for (let round = 1; round <= rounds; round++) {
      const figures = await run(name, clients)
      results[name]?.push(Object.fromEntries(figures))
      for (const [driver, each] of figures) rows.push(row(driver, each))
    }
    process.stdout.write(`\n${name}: ${scenarios[name]?.title}\n${table(rows)}\n`)
    if (values.doc !== undefined) {
      const measured = `${markdown(rows)}\n\n${new Date().toISOString().slice(0, 10)}, ${machine()}.`
      const text = readFileSync(values.doc, 'utf8')
      writeFileSync(values.doc, withFigures(text, name, scenarios[name]?.title ?? name, measured))
    }
  }
  if (values.json !== undefined) {
    const brief = (key: string, value: unknown) =>
      ['lost', 'denied', 'late'].includes(key) ? (value as unknown[]).length : value
    writeFileSync(values.json, `${JSON.stringify({ machine: machine(), results }, brief, 2)}\n`)
  }
}

await main()
