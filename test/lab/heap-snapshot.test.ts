import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeHeapSnapshot } from 'node:v8'
import { afterAll, expect, test } from 'vitest'
import { censusOf } from '../../examples/gundeck/lab/heap-snapshot.mjs'

const folder = mkdtempSync(join(tmpdir(), 'slotwise-census-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

class WantedÄ {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

test('objects are counted by constructor, and the difference of two censuses is what was added', async () => {
  const take = async (name: string) => {
    const path = writeHeapSnapshot(join(folder, `${name}.heapsnapshot`))
    const rows = await censusOf(path)
    return new Map(rows.map(([name, count, bytes]) => [name, { count, bytes }]))
  }
  const held = Array.from({ length: 1000 }, (_, i) => new WantedÄ(i))
  const before = await take('before')
  held.push(...Array.from({ length: 2345 }, (_, i) => new WantedÄ(i)))
  const after = await take('after')
  expect(before.get('WantedÄ')?.count).toBe(1000)
  expect(after.get('WantedÄ')?.count).toBe(held.length)
  const each = (after.get('WantedÄ')?.bytes ?? 0) / held.length
  expect(each).toBeGreaterThanOrEqual(16)
  expect(each).toBeLessThan(100)
})

test('the sum of all rows is the sum over all nodes of the file', async () => {
  const path = writeHeapSnapshot(join(folder, 'sum.heapsnapshot'))
  const { readFileSync } = await import('node:fs')
  const { snapshot, nodes } = JSON.parse(readFileSync(path, 'utf8')) as {
    snapshot: { node_count: number; meta: { node_fields: string[] } }
    nodes: number[]
  }
  const fields = snapshot.meta.node_fields
  let bytes = 0
  for (let i = fields.indexOf('self_size'); i < nodes.length; i += fields.length) bytes += nodes[i] as number
  const rows = await censusOf(path)
  expect(rows.reduce((sum, row) => sum + row[1], 0)).toBe(snapshot.node_count)
  expect(rows.reduce((sum, row) => sum + row[2], 0)).toBe(bytes)
})

test('a large heap is counted in little memory', async () => {
  const path = join(folder, 'large.heapsnapshot')
  const program = join(folder, 'large.cjs')
  writeFileSync(
    program,
    `class Held {}; const all = Array.from({ length: 400000 }, () => Object.assign(new Held(), { text: 'x'.repeat(5) + Math.random() }));
     require('node:v8').writeHeapSnapshot(${JSON.stringify(path)}); process.exitCode = all.length === 0 ? 1 : 0`,
  )
  const [code] = await once(fork(program, { execArgv: [] }), 'exit')
  expect(code).toBe(0)
  const fileBytes = statSync(path).size
  let peakBytes = 0
  const before = process.memoryUsage()
  const watch = setInterval(() => {
    const { heapUsed, external } = process.memoryUsage()
    peakBytes = Math.max(peakBytes, heapUsed + external - before.heapUsed - before.external)
  }, 5)
  const rows = await censusOf(path)
  clearInterval(watch)
  expect(rows.find(([name]) => name === 'Held')?.[1]).toBe(400_000)
  expect(fileBytes).toBeGreaterThan(60 * 1048576)
  expect(peakBytes).toBeLessThan(fileBytes / 2)
})

test('what is no snapshot, or not a whole one, is refused', async () => {
  const other = join(folder, 'other.heapsnapshot')
  writeFileSync(other, '{"some":"json","nodes":[1,2,3]}')
  await expect(censusOf(other)).rejects.toThrow('no heap snapshot')
  writeFileSync(other, '[]')
  await expect(censusOf(other)).rejects.toThrow('no whole heap snapshot')
  const half = writeHeapSnapshot(join(folder, 'half.heapsnapshot'))
  truncateSync(half, Math.floor(statSync(half).size / 2))
  await expect(censusOf(half)).rejects.toThrow('no whole heap snapshot')
})
