import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium, type Locator, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { chromiumFlags, findChromium } from '../../scripts/chromium.mjs'
import { renderReport } from '../../scripts/report/render.mjs'
import { checkReportData, type Run } from '../../scripts/report/shape.mjs'
import { synthetic } from './synthetic.js'

const log = (line: string) => process.stdout.write(`${line}\n`)
const program = await findChromium({ install: true, log }).catch((error: Error) => {
  log(`The report is not looked at: ${error.message}`)
  return null
})

describe('data', () => {
  test('what another program wrote is refused, with the reason', () => {
    expect(() => checkReportData(null)).toThrow('no JSON object')
    expect(() => checkReportData({ format: 'x/1' })).toThrow('format x/1')
    const broken = structuredClone(synthetic)
    broken.runs[0]?.samples.columns.handles?.pop()
    expect(() => checkReportData(broken)).toThrow('slotwise-1x: column handles has 399 rows of 400')
    expect(checkReportData(JSON.parse(JSON.stringify(synthetic)))).toEqual(synthetic)
  })
})

describe.skipIf(program === null)('the page in Chromium', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slotwise-report-'))
  const file = join(folder, 'report.html')
  let browser: Browser
  let page: Page
  let complaints: string[] = []

  beforeAll(async () => {
    writeFileSync(file, await renderReport(synthetic))
    browser = await chromium.launch({ executablePath: program as string, args: chromiumFlags })
  })
  afterAll(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true, force: true })
  })
  beforeEach(() => {
    complaints = []
  })
  afterEach(async () => {
    await page.close()
    expect(complaints).toEqual([])
  })

  async function open(width: number, height = 900): Promise<void> {
    page = await browser.newPage({ viewport: { width, height }, colorScheme: 'light' })
    page.on('console', message => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
    page.on('pageerror', error => complaints.push(error.message))
    page.on('request', request => {
      if (!/^(file|data|blob):/.test(request.url())) complaints.push(`asked for ${request.url()}`)
    })
    await page.goto(pathToFileURL(file).href)
    await page.waitForSelector('.card canvas')
  }

  /** How many pixels of a chart have each colour, as `r,g,b`; those that are see-through are left out. */
  function colours(chart: Locator): Promise<Record<string, number>> {
    return chart.locator('canvas').evaluate(canvas => {
      const { width, height } = canvas as HTMLCanvasElement
      const pixels = (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height).data ?? []
      const found: Record<string, number> = {}
      for (let i = 0; i < pixels.length; i += 4) {
        if (pixels[i + 3] !== 255) continue
        const name = `${pixels[i]},${pixels[i + 1]},${pixels[i + 2]}`
        found[name] = (found[name] ?? 0) + 1
      }
      return found
    })
  }

  const chart = (run: string, name: string) => page.locator(`[id="${run}"] [data-chart="${name}"]`)
  const column = (table: Locator, i: number) => table.locator(`tbody td:nth-child(${i})`).allTextContents()

  test('draws every chart, the overview, and the charts that unfold', async () => {
    await open(1280)
    for (const { id } of synthetic.runs) {
      await page.locator(`[id="${id}"] summary`, { hasText: 'Requests' }).click()
      for (const name of ['memory', 'sockets', 'waiting', 'outcomes', 'dials', 'process']) {
        await chart(id, name).locator('canvas').waitFor()
        const drawn = Object.values(await colours(chart(id, name))).filter(pixels => pixels > 20)
        expect(drawn.length, `${id} ${name}`).toBeGreaterThan(1)
      }
    }
    expect(Object.keys(await colours(page.locator('[data-chart="overview"]'))).length).toBeGreaterThan(4)
    expect(await page.locator('.banner').textContent()).toBe('1 of 2 promises does not hold')
  })

  test('nothing is wider than the page, on a phone and on a desk', async () => {
    for (const width of [360, 1280]) {
      await open(width)
      for (const summary of await page.locator('summary').all()) await summary.click()
      // Charts follow the width of their box in the next frame.
      await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
      const { scrollWidth, wide } = await page.evaluate(() => ({
        scrollWidth: document.documentElement.scrollWidth,
        wide: [...document.querySelectorAll('main *')]
          .filter(one => one.closest('.scroll') === null || one.classList.contains('scroll'))
          .filter(one => one.getBoundingClientRect().right > innerWidth + 0.5)
          .map(one => `${one.tagName}.${one.className}`),
      }))
      expect(wide).toEqual([])
      expect(scrollWidth).toBeLessThanOrEqual(width)
      await page.screenshot({ path: join(folder, `at-${width}.png`) })
      if (width !== 1280) await page.close()
    }
  })

  test('hovering tells values, the phase and the markers', async () => {
    await open(1280)
    const memory = chart('faulty model-10x', 'memory')
    await memory.scrollIntoViewIfNeeded()
    const values = (of: Locator) => of.locator('.u-legend .u-value').allTextContents()
    const over = memory.locator('.u-over')
    const box = await over.boundingBox()
    if (box === null) throw new Error('the chart is not shown')
    // In the first outage, two seconds after it began.
    await page.mouse.move(box.x + (box.width * 10) / 39.9, box.y + box.height / 2)
    const told = page.locator('[id="faulty model-10x"] .told').first()
    await expect.poll(() => told.textContent()).toContain('outage 1')
    const [time, ...shown] = await values(memory)
    expect(time).toMatch(/^(9\.9|10\.0) s$/)
    const { columns } = (synthetic.runs[3] as Run).samples
    const at = Math.round(Number.parseFloat(time as string) * 10)
    const [resident, reserved, used, external] = (
      ['residentBytes', 'heapReservedBytes', 'heapUsedBytes', 'externalBytes'] as const
    ).map(name => (columns[name]?.[at] as number) / 1048576) as [number, number, number, number]
    // From the top of the stack down.
    const parts = [resident - reserved - external, external, reserved - used, used]
    expect(shown).toEqual(parts.map(part => `${part.toFixed(1)} MB`))
    // The other charts of the run show the same moment.
    const calls = String(columns.waitingCalls?.[at])
    expect((await values(chart('faulty model-10x', 'waiting'))).slice(0, 2)).toEqual([time, calls])
    await page.mouse.move(box.x + (box.width * 8) / 39.9, box.y + box.height / 2)
    await expect.poll(() => told.textContent()).toContain('every server stopped')
  })

  test('markers of a kind can be hidden and shown', async () => {
    await open(1280)
    const memory = chart('slotwise-1x', 'memory')
    const dial = '200,169,58'
    const pixels = async () => (await colours(memory))[dial] ?? 0
    expect(await pixels()).toBe(0)
    await page.locator('[data-kind="dial"]').check()
    expect(await pixels()).toBeGreaterThan(500)
    await page.locator('[data-kind="dial"]').uncheck()
    expect(await pixels()).toBe(0)
  })

  test('one scale for all, or each its own', async () => {
    await open(1280)
    const memory = chart('slotwise-1x', 'memory')
    const filled = async () => {
      const found = await colours(memory)
      return found['47,111,208'] ?? 0
    }
    const small = await filled()
    await page.locator('#one-scale').uncheck()
    expect(await filled()).toBeGreaterThan(2 * small)
  })

  test('runs of one rate alone', async () => {
    await open(1280)
    await page.getByRole('button', { name: '10x', exact: true }).click()
    const visible = await page.locator('.card:visible h3').allTextContents()
    expect(visible.map(text => text.split(',')[0])).toEqual(['slotwise 10x', 'faulty model 10x'])
  })

  test('tables are sorted by any column, both ways', async () => {
    await open(1280)
    const table = page.locator('[aria-label="Figures of each run"]')
    const peak = table.locator('th', { hasText: 'peak' }).first()
    await peak.locator('button').click()
    expect(await column(table, 5)).toEqual(['254 MB', '38.0 MB', '16.0 MB', '16.0 MB'])
    expect(await peak.getAttribute('aria-sort')).toBe('descending')
    await peak.locator('button').click()
    expect(await column(table, 5)).toEqual(['16.0 MB', '16.0 MB', '38.0 MB', '254 MB'])
    await table.locator('th button', { hasText: 'client' }).click()
    expect((await column(table, 1))[0]).toBe('faulty model')
  })

  test('the census of two moments is compared, filtered and sorted', async () => {
    await open(1280)
    const card = page.locator('[id="faulty model-1x"]')
    await card.locator('summary', { hasText: 'census' }).click()
    const table = card.locator('.census .scroll')
    // What grew most stands first.
    expect(await column(table, 1)).toEqual(['Promise', 'Socket', '(string)'])
    await card.getByRole('button', { name: 'baseline → released' }).click()
    expect(await column(table, 3)).toEqual(['+19,900', '+597', '+1,990'])
    await table.locator('th button', { hasText: 'count ±' }).click()
    expect(await column(table, 3)).toEqual(['+19,900', '+1,990', '+597'])
    await card.locator('input[type="search"]').fill('sock')
    expect(await column(table, 1)).toEqual(['Socket'])
  })

  test('light and dark', async () => {
    await open(1280)
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const memory = chart('slotwise-1x', 'memory')
    const [light, lightColours] = [await ground(), await colours(memory)]
    await page.locator('#theme').click()
    expect(await ground()).not.toBe(light)
    const darkColours = await colours(memory)
    expect(lightColours['47,111,208']).toBeGreaterThan(100)
    expect(darkColours['47,111,208'] ?? 0).toBe(0)
    expect(darkColours['77,143,240']).toBeGreaterThan(100)
  })
})
