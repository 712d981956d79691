// render-outage: puts the figures of a lab run into docs/outage.md, and pictures of its report's panels beside it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium, type Page } from 'playwright-core'
import { chromiumFlags, findChromium } from './chromium.mjs'
import { renderReport } from './report/render.mjs'
import { checkReportData, type ReportData, type Run } from './report/shape.mjs'

const help = `npm run docs:outage -- lab-report/data.json

Writes the figures of that run between the marks of docs/outage.md, and pictures of the report's panels to docs/outage/. Needs Chromium.
`

const page = 'docs/outage.md'
const [firstMark, lastMark] = ['<!-- figures -->', '<!-- /figures -->']
const pictured = ['slotwise-10x', 'faulty-model-10x']

const megabytes = (bytes: number | null) => (bytes === null ? '–' : (bytes / 1048576).toFixed(0))
const numbers = (values: (number | null)[], digits: number) =>
  values.map(value => value?.toFixed(digits) ?? '–').join(' / ')

function row({ variant, rate, figures }: Run): string[] {
  const { requests, pushes } = figures
  return [
    variant,
    `${rate}x`,
    [figures.heapBaselineBytes, figures.heapHeldBytes, figures.heapAfterBytes].map(megabytes).join(' / '),
    [figures.residentBaselineBytes, figures.residentPeakBytes, figures.residentAfterBytes].map(megabytes).join(' / '),
    [figures.socketsBaseline, figures.socketsPeak, figures.socketsAfter].join(' / '),
    numbers(figures.dialsPerSec, 1),
    numbers(figures.recoveryMs, 0),
    requests === null ? '–' : `${requests.ok} / ${requests.refused} / ${requests.failed}`,
    pushes === null ? '–' : `${pushes.lost} / ${pushes.late} / ${pushes.duplicated} / ${pushes.reportedOnly}`,
  ]
}

const columns = [
  'client',
  'rate',
  'heap MB',
  'resident MB',
  'sockets',
  'dials/s',
  'back after ms',
  'requests ok / refused / failed',
  'messages lost / late / twice / false',
]

function markdown(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows].map(line).join('\n')
}

function figures(data: ReportData): string {
  const broken = data.verdicts.filter(verdict => !verdict.holds)
  const verdicts =
    broken.length === 0
      ? `All ${data.verdicts.length} promises of the run hold.`
      : `${broken.length} of ${data.verdicts.length} promises do not hold: ${broken.map(one => `${one.promise} (${one.measured}; limit: ${one.limit})`).join('; ')}.`
  return [
    firstMark,
    '## One run',
    `\`${data.command}\` on ${data.startedAt.slice(0, 10)}: ${data.machine}. Outages of ${data.settings.outage}. Heap, after garbage collection: before / at the end of ` +
      `an outage / after both. Resident memory and sockets to Redis: before / at the most / after both. Two figures: first / second outage. ${verdicts}`,
    markdown(columns, data.runs.map(row)),
    '![Resident memory of the service on each client through two outages](outage/overview.png)',
    'The bounds are set small, so that they are reached: at 100x most pushes made in an outage are refused by them (and counted: `gundeck_pushes_dropped_total`). ' +
      'Late is a message that arrives over 5 s after its push: the servers are away for longer, since a primary that has just started refuses everything for two seconds.',
    'slotwise: memory, sockets and waiting calls; shaded is the time without servers, lines are what happened.',
    '![slotwise through two outages](outage/slotwise-10x.png)',
    'The model of the design that leaked, on the same scale: every caller makes connections of his own, and nobody closes the old ones.',
    '![The faulty model through two outages](outage/faulty-model-10x.png)',
    'What the faulty model has kept after the outages, by constructor:',
    '![The difference of two heap censuses](outage/census.png)',
    lastMark,
  ].join('\n\n')
}

async function takePictures(data: ReportData, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const program = await findChromium({ install: true, log: line => process.stdout.write(`${line}\n`) })
  const scratch = mkdtempSync(join(tmpdir(), 'slotwise-report-'))
  const browser = await chromium.launch({ executablePath: program, args: chromiumFlags })
  try {
    const file = join(scratch, 'report.html')
    writeFileSync(file, await renderReport(data))
    const shown = await browser.newPage({ viewport: { width: 1000, height: 900 }, colorScheme: 'light' })
    await shown.goto(pathToFileURL(file).href)
    await shown.waitForSelector('.card canvas')
    await showOnly(shown, pictured)
    const take = async (selector: string, name: string) => {
      await shown
        .locator(selector)
        .first()
        .screenshot({ path: join(folder, `${name}.png`) })
    }
    await take('.panel', 'overview')
    for (const id of pictured) await take(`[id="${id}"] .charts`, id)
    const faulty = shown.locator('[id="faulty-model-10x"]')
    await faulty.locator('summary', { hasText: 'census' }).click()
    await faulty.getByRole('button', { name: 'baseline → released' }).click()
    await take('[id="faulty-model-10x"] .census', 'census')
  } finally {
    await browser.close()
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** At the rate that all clients have run at. */
async function showOnly(shown: Page, ids: readonly string[]): Promise<void> {
  const all = await shown.locator('.card').evaluateAll(cards => cards.map(card => card.id))
  for (const id of ids) if (!all.includes(id)) throw new Error(`the data has no run ${id}`)
  const rate = shown.getByRole('button', { name: '10x', exact: true })
  if ((await rate.count()) > 0) await rate.click()
}

const [file] = process.argv.slice(2)
if (file === undefined || file === '--help') {
  process.stdout.write(help)
  process.exit(file === undefined ? 2 : 0)
}
const data = checkReportData(JSON.parse(readFileSync(file, 'utf8')))
const text = readFileSync(page, 'utf8')
const [before, after] = [text.indexOf(firstMark), text.indexOf(lastMark)]
if (before === -1 || after === -1) throw new Error(`${page} has no marks ${firstMark} … ${lastMark}`)
await takePictures(data, 'docs/outage')
writeFileSync(page, `${text.slice(0, before)}${figures(data)}${text.slice(after + lastMark.length)}`)
process.stdout.write(`${page} and docs/outage/*.png are written\n`)
