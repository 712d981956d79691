import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chartPage, chartSvg, pointsOf } from '../../../bench/lib/chart.mjs'
import { aboutText, markdownTable, withTable } from '../../../bench/lib/document.mjs'
import { allocatedBetween, type Measured, type Outcome } from '../../../bench/lib/measured.mjs'
import { orderOf, planOf } from '../../../bench/lib/plan.mjs'
import { quantile, quarters } from '../../../bench/lib/report.mjs'
import {
  bestRival,
  mergedRuns,
  type Results,
  type Row,
  type Run,
  ratios,
  typical,
} from '../../../bench/lib/results.mjs'
import { tables } from '../../../bench/lib/tables.mjs'
import { workloads } from '../../../bench/lib/workloads.mjs'
import { findings, limits, verdictText } from '../../../bench/limits.mjs'

/** A process with this CPU in each slice, and this latency at 99 %. */
function measured(costs: number[], p99Us = 1000): Measured {
  return {
    slices: costs.map(cpuUsPerOp => ({ cpuUsPerOp, opsPerSec: 1e6 / cpuUsPerOp })),
    latencies: [{ p50Us: p99Us / 2, p99Us, p999Us: p99Us * 2 }],
    allocatedBytesPerOp: 1000,
    gcPercent: 5,
    heapKiB: 6000,
  }
}

const refused: Outcome = { absent: 'refused' }

const row: Row = {
  bare: [measured([1, 2, 4])],
  slotwise: [measured([1.3, 2.6, 5.2], 400)],
  'slotwise-core': [measured([1.1, 2.2, 4.4], 400)],
  ioredis: [measured([8, 9, 10], 1000)],
  'node-redis': [measured([7, 8, 30])],
  glide: [refused],
}

describe('results', () => {
  it('takes ratios turn by turn: a machine that slows down does not change them', () => {
    expect(ratios(row, 'slotwise', 'bare').map(ratio => ratio.toFixed(2))).toEqual(['1.30', '1.30', '1.30'])
  })

  it('joins the turns of all rounds', () => {
    const twice: Row = { bare: [measured([1, 1]), measured([2])], slotwise: [measured([2, 2]), measured([3])] }
    expect(ratios(twice, 'slotwise', 'bare')).toEqual([2, 2, 1.5])
  })

  it('has no ratio where one of the two refuses or was not measured', () => {
    expect(ratios(row, 'glide', 'bare')).toEqual([])
    expect(ratios(row, 'slotwise', 'glide')).toEqual([])
    expect(ratios(row, 'slotwise', 'iovalkey')).toEqual([])
  })

  it('finds the rival who costs least, by the median', () => {
    expect(bestRival(row)).toBe('node-redis')
    expect(bestRival({ bare: row.bare as Outcome[], glide: [refused] })).toBeUndefined()
  })

  it('gives the typical figure of every quantity', () => {
    expect(typical(row, 'bare')).toBe(2)
    expect(typical(row, 'slotwise', 'p99Us')).toBe(400)
    expect(typical(row, 'glide', 'heapKiB')).toBeUndefined()
  })

  it('counts what collections took away as allocated', () => {
    const collections = [
      { usedBefore: 300, usedAfter: 100 },
      { usedBefore: 250, usedAfter: 120 },
    ]
    expect(allocatedBetween(100, collections, 150)).toBe(50 + 200 + 130)
  })

  it('merges runs in the order of the workloads, the later one counting', () => {
    const run = (results: Results, command: string, machine = 'm'): Run => ({
      machine,
      date: 'd',
      commands: [command],
      results,
    })
    const later: Row = { bare: [measured([9])] }
    const merged = mergedRuns([run({ set: row }, 'a'), run({ get: row, set: later }, 'b')], Object.keys(workloads))
    expect(Object.keys(merged.results)).toEqual(['get', 'set'])
    expect(merged.results.set).toBe(later)
    expect(merged.commands).toEqual(['a', 'b'])
    expect(() => mergedRuns([run({}, 'a'), run({}, 'b', 'another')], [])).toThrow(/different machines/)
  })
})

describe('limits', () => {
  const judge = (slotwise: Measured, name = 'get') =>
    findings({ [name]: { ...row, slotwise: [slotwise] } }, workloads).filter(({ client }) => client === 'slotwise')
  const missed = (slotwise: Measured, name = 'get') =>
    judge(slotwise, name)
      .filter(finding => finding.missed)
      .map(({ over }) => over)
  const costing = (ratio: number, p99Us = 400) => measured([ratio, 2 * ratio, 4 * ratio], p99Us)

  it('are kept by what costs less', () => {
    expect(judge(costing(1.3)).map(({ over }) => over)).toEqual(['bare', 'node-redis', 'ioredis, p99'])
    expect(missed(costing(1.3))).toEqual([])
  })

  it('leave head-room for noise, and no more', () => {
    const most = limits.overBare.slotwise * (1 + limits.noise)
    expect(missed(costing(most - 0.01))).toEqual([])
    expect(missed(costing(most + 0.01))).toEqual(['bare'])
  })

  it('are missed by what costs more than the best rival, or answers too late', () => {
    expect(missed(costing(9))).toEqual(['bare', 'node-redis'])
    expect(missed(costing(1.3, 600))).toEqual(['ioredis, p99'])
  })

  it('ask more of aggregates, less of variants, and nothing of what is only shown', () => {
    expect(missed(costing(1.2), 'hgetall')).toEqual(['bare'])
    expect(missed(costing(1.45), 'get')).toEqual(['bare'])
    expect(missed(costing(1.45), 'buffer')).toEqual([])
    expect(judge(costing(9), 'mget-any')).toEqual([])
  })

  it('ask for no latency of one call in flight', () => {
    expect(judge(costing(1.3, 5000), 'serial').map(({ over }) => over)).toEqual(['bare', 'node-redis'])
  })

  it('are told of row by row', () => {
    const text = verdictText(judge(costing(9)))
    expect(text).toContain('missed: GET, 32 B: slotwise is 9.00 (9.00–9.00) × bare, and may be 1.35 ×')
    expect(text).toMatch(/bench: 1 of 3 limits kept \(5 % of head-room for noise\)\n$/)
  })
})

describe('plan', () => {
  it('measures everything by default, and what is judged when it is to be quick', () => {
    expect(planOf([])).toMatchObject({ workloads: Object.keys(workloads), rounds: 3 })
    const quick = planOf(['--quick'])
    expect(quick).toMatchObject({
      clients: ['bare', 'slotwise', 'slotwise-core', 'ioredis', 'node-redis'],
      rounds: 1,
      command: 'npm run bench -- --quick',
    })
    expect((quick as { workloads: string[] }).workloads).not.toContain('mget-any')
  })

  it('takes what it is given', () => {
    const args = ['--only', 'get,tls', '--clients', 'bare,slotwise', '--rounds', '1', '--seconds', '0.2']
    expect(planOf(args)).toMatchObject({
      workloads: ['get', 'tls'],
      clients: ['bare', 'slotwise'],
      rounds: 1,
      seconds: 0.02,
    })
  })

  it.each([
    [['--only', 'get,nothing'], 'nothing'],
    [['--only', 'toString'], 'toString'],
    [['--clients', 'hedis'], 'hedis'],
    [['--rounds', '0'], '--rounds'],
    [['--seconds', 'x'], '--seconds'],
    [['--chart', 'a.png'], '--chart'],
  ])('refuses %j', (args, name) => {
    expect(planOf(args)).toMatchObject({ exitCode: 2, text: expect.stringContaining(`Cannot use: ${name}`) })
  })

  it('refuses options that it does not know', () => {
    expect(planOf(['--fast'])).toMatchObject({ exitCode: 2, text: expect.stringContaining("Unknown option '--fast'") })
  })

  it('explains itself', () => {
    expect(planOf(['--help'])).toMatchObject({ exitCode: 0, text: expect.stringContaining('--quick') })
  })

  it('lets everybody be the first in turn', () => {
    expect([0, 1, 2, 3].map(turn => orderOf(['a', 'b', 'c'], turn).join(''))).toEqual(['abc', 'bca', 'cab', 'abc'])
  })
})

describe('report', () => {
  it('gives quarters', () => {
    expect(quantile([4, 1, 3, 2], 0.25)).toBe(1.75)
    expect(quarters([1, 2, 3, 4, 5])).toBe('3.00 (2.00–4.00)')
    expect(quarters([])).toBe('–')
  })

  it('says who refuses', () => {
    const [cpu = ''] = tables({ get: row }, ['bare', 'slotwise', 'glide']).split('\n\n')
    expect(cpu.split('\n')).toEqual([
      'client CPU, µs/op  bare  slotwise    glide',
      'GET, 32 B          2.00      2.60  refused',
    ])
  })

  it('writes the table between the marks of a document, again and again', () => {
    const table = markdownTable({ get: row }, ['bare', 'slotwise', 'glide'], 'on this machine')
    expect(table.split('\n')).toEqual([
      '| client CPU, µs | bare | slotwise |   glide | slotwise / bare | slotwise / best rival |',
      '| -------------- | ---: | -------: | ------: | --------------: | --------------------: |',
      '| GET, 32 B      | 2.00 |     2.60 | refused |          1.30 × |                0.19 × |',
      '',
      'on this machine',
    ])
    const once = withTable('before\n<!-- bench -->\n<!-- /bench -->\nafter\n', table)
    expect(once).toContain(table)
    expect(withTable(once, table)).toBe(once)
    expect(() => withTable('no marks', table)).toThrow(/no place/)
  })

  it('says by which commands, and not where they wrote', () => {
    const commands = [
      'npm run bench -- --only get --json /a/b',
      'npm run bench -- --json=c',
      'npm run bench -- --json d',
    ]
    expect(aboutText({ machine: 'a machine', date: '2026-01-02T03:04:05Z', commands, results: {} })).toBe(
      '2026-01-02; a machine. `npm run bench -- --only get`, `npm run bench`',
    )
  })

  it('draws every client of every row, relative to the bare one', async () => {
    const clients = ['bare', 'slotwise', 'glide'] as const
    expect(pointsOf({ get: row }, clients)).toEqual({
      bare: [[1, 'GET, 32 B']],
      slotwise: [[1.3, 'GET, 32 B']],
      glide: [],
    })
    const svg = await chartSvg({ get: row }, clients, { title: 'A title', subtitle: 'a machine' })
    for (const text of ['A title', 'a machine', 'GET, 32 B', 'slotwise']) expect(svg).toContain(text)
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>$/)
    const page = chartPage(svg, 'A title', 'a < b')
    expect(page).toContain('a &lt; b')
    expect(page).not.toMatch(/<script|src=|href="http/)
  })
})

describe('the project’s README', () => {
  it('has a place for the table', () => {
    const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8')
    expect(withTable(readme, 'text')).toContain('\n\ntext\n\n')
  })
})
