import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import type { Run } from '../../bench/lib/results.mjs'

const run = promisify(execFile)
const program = resolve(import.meta.dirname, '../../.build/bench/bench.mjs')
const dir = mkdtempSync(join(tmpdir(), 'slotwise-bench-test-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe('npm run bench', () => {
  it('is built', () => {
    expect(existsSync(program)).toBe(true)
  })

  it('measures a row, writes it, and exits with 1 exactly when it says that a limit is missed', async () => {
    const json = join(dir, 'run.json')
    const args = ['--only', 'get', '--rounds', '1', '--seconds', '0.2', '--clients', 'bare,slotwise', '--json', json]
    const { stdout, code } = await run(process.execPath, [program, ...args]).then(
      ({ stdout }) => ({ stdout, code: 0 }),
      (error: { stdout: string; code: number }) => error,
    )
    expect(stdout).toMatch(/client CPU, µs\/op +bare +slotwise\nGET, 32 B +\d[\d.]* +\d[\d.]*\n/)
    expect(stdout).toMatch(/bench: \d of 1 limits kept/)
    expect(code).toBe(stdout.includes('missed: GET, 32 B: slotwise') ? 1 : 0)
    const { results } = JSON.parse(readFileSync(json, 'utf8')) as Run
    const [outcome] = results.get?.slotwise ?? []
    expect(outcome).toMatchObject({ heapKiB: expect.any(Number), allocatedBytesPerOp: expect.any(Number) })
    const { slices } = outcome as { slices: { cpuUsPerOp: number; opsPerSec: number }[] }
    // The kernel counts CPU time in steps that are longer than a slice of 20 ms may be: one may have none.
    expect(slices.every(({ opsPerSec }) => opsPerSec > 0)).toBe(true)
    expect(slices.reduce((sum, { cpuUsPerOp }) => sum + cpuUsPerOp, 0)).toBeGreaterThan(0)
  })

  it('says what it cannot use', async () => {
    const failed = await run(process.execPath, [program, '--only', 'nothing']).catch(error => error)
    expect(failed.code).toBe(2)
    expect(failed.stderr).toMatch(/^Cannot use: nothing\n/)
  })
})
