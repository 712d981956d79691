// The outage lab as a program. What it measures on a busy machine is no figure; that it measures, and leaves nothing behind, is tested here.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { labProject, prepareExample } from '../../../scripts/example-packages.mjs'
import { checkReportData, type Run } from '../../../scripts/report/shape.mjs'

const folder = resolve(import.meta.dirname, '..')
const scratch = mkdtempSync(join(tmpdir(), 'slotwise-lab-test-'))
beforeAll(() => prepareExample(folder, line => process.stderr.write(`${line}\n`), labProject))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

interface Lab {
  child: ChildProcess
  said(): string
}

/** In a temporary folder of its own, so that what is left there is seen. */
function startLab(name: string, ...args: string[]): Lab {
  const child = spawn(process.execPath, [join(folder, labProject.compiled), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: scratch, SLOTWISE_LAB_TEST: `${name}-${process.pid}` },
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (said += chunk))
  return { child, said: () => said }
}

/** Processes that descend from a lab with this name, by their environment; another run of these tests has its own. */
function processesOf(name: string): string[] {
  return readdirSync('/proc')
    .filter(entry => /^\d+$/.test(entry))
    .filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`SLOTWISE_LAB_TEST=${name}-${process.pid}\0`)
      } catch {
        return false
      }
    })
}

const short = ['--quick', '--rate', '1x', '--outage', '2', '--variants']

describe('the lab', () => {
  test('measures two outages, takes a census, and writes a report', { timeout: 180_000 }, async () => {
    const out = join(scratch, 'report')
    const lab = startLab('whole', ...short, 'slotwise', '--out', out)
    const [status] = await once(lab.child, 'exit')
    // A machine that has much else to do may break a promise about time.
    expect([0, 1], lab.said()).toContain(status)
    const data = checkReportData(JSON.parse(readFileSync(join(out, 'data.json'), 'utf8')))
    const run = data.runs[0] as Run
    expect(run.phases.filter(phase => phase.outage).map(phase => phase.name)).toEqual(['outage 1', 'outage 2'])
    for (const name of ['residentBytes', 'heapUsedBytes', 'socketsOpen', 'waitingBytes', 'dialsTotal'] as const)
      expect(run.samples.columns[name]?.filter(value => value !== null).length, name).toBeGreaterThan(50)
    const kinds = new Set(run.markers.map(marker => marker.kind))
    expect([...kinds].sort()).toEqual(
      expect.arrayContaining(['cluster', 'connected', 'dial', 'lost', 'requests', 'success']),
    )
    expect(run.census.map(census => census.name)).toEqual(['baseline', 'held', 'released'])
    expect(run.figures).toMatchObject({ socketsAfter: run.figures.socketsAfterByClient, pushes: { reportedOnly: 0 } })
    expect(run.figures.waitingPeakCalls).toBeGreaterThan(5)
    expect(run.figures.pushes?.received).toBeGreaterThan(100)
    expect(run.figures.recoveryMs.every(value => value !== null)).toBe(true)
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('</html>')
    expect(processesOf('whole')).toEqual([])

    const again = startLab('again', '--from', join(out, 'data.json'), '--out', join(scratch, 'again'))
    expect((await once(again.child, 'exit'))[0]).toBe(status)
    expect(readFileSync(join(scratch, 'again/report.html'), 'utf8')).toBe(
      readFileSync(join(out, 'report.html'), 'utf8'),
    )
  })

  test('leaves no process and no file when it is interrupted', { timeout: 60_000 }, async () => {
    const lab = startLab('interrupted', ...short, 'slotwise', '--out', join(scratch, 'none'))
    while (!lab.said().includes('outage 1')) {
      if (lab.child.exitCode !== null) throw new Error(lab.said())
      await Promise.race([once(lab.child.stdout as never, 'data'), once(lab.child, 'exit')])
    }
    expect(processesOf('interrupted').length).toBeGreaterThan(3)
    lab.child.kill('SIGINT')
    const [status] = await once(lab.child, 'exit')
    expect(status).toBe(130)
    await expect.poll(() => processesOf('interrupted'), { timeout: 5000 }).toEqual([])
    expect(readdirSync(scratch).filter(name => /^slotwise-(lab|redis)-/.test(name))).toEqual([])
  })

  test.each([
    [['--mode', 'loud'], 'not one of kill, freeze, silent'],
    [['--variants', 'slotwise,other'], 'not one of slotwise, ioredis'],
    [['--rates', '10x,fast'], 'a multiple such as 10x'],
    [['--outage', '0'], 'seconds, from 1 to 600'],
    [['--quik'], 'Unknown option'],
  ])('says what is wrong with %o', async (args, message) => {
    const lab = startLab('usage', ...args)
    expect((await once(lab.child, 'exit'))[0]).toBe(2)
    expect(lab.said()).toContain(message)
  })
})
