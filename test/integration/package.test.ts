// The package as it is installed: every way to load it gives the same functions. Needs `npm run build`.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const run = promisify(execFile)
const root = new URL('../../', import.meta.url).pathname

async function evaluate(program: string, type: 'commonjs' | 'module'): Promise<unknown> {
  const args = [`--input-type=${type}`, '-e', program]
  const { stdout, stderr } = await run(process.execPath, args, { cwd: root, timeout: 20_000 })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

const describeExports = (names: string) =>
  `console.log(JSON.stringify(Object.fromEntries(${names}.filter(([name]) => name !== 'default' && name !== 'module.exports').map(([name, value]) => [name, typeof value]).sort())))`

const expected = {
  ReplyError: 'function',
  SlotwiseError: 'function',
  createClient: 'function',
  errorCodes: 'object',
  slotOf: 'function',
}

const ofTheRoot = { Cluster: 'function', Redis: 'function', ReplyError: 'function', SlotwiseError: 'function' }
const expectedOf = (name: string) => (name === 'slotwise/core' ? expected : ofTheRoot)

describe('the package', () => {
  it.each(['slotwise/core', 'slotwise', root])('is loaded by require(%j)', async name => {
    const program = describeExports(`Object.entries(require(${JSON.stringify(name)}))`)
    expect(await evaluate(program, 'commonjs')).toMatchObject(expectedOf(name))
  })

  it.each(['slotwise/core', 'slotwise'])('is loaded by import(%j)', async name => {
    const program = `const all = await import(${JSON.stringify(name)}); ${describeExports('Object.entries(all)')}`
    expect(await evaluate(program, 'module')).toMatchObject(expectedOf(name))
  })

  it('has its named exports for static imports', async () => {
    const names = Object.keys(expected).join(', ')
    const program = `import { ${names} } from 'slotwise/core'; console.log(JSON.stringify(slotOf('123456789')))`
    expect(await evaluate(program, 'module')).toBe(12739)
  })

  it('is one and the same, however it is loaded', async () => {
    const program = `
      const core = require('slotwise/core')
      const whole = require('slotwise')
      Promise.all([import('slotwise/core'), import('slotwise')]).then(([importedCore, imported]) => {
        const same = [
          Object.keys(core).every(name => importedCore[name] === core[name]),
          whole === require(${JSON.stringify(root)}),
          Object.keys(imported).every(name => name === '__esModule' || name === 'module.exports' || imported[name] === whole[name]),
          whole.ReplyError === core.ReplyError && whole.SlotwiseError === core.SlotwiseError,
        ]
        console.log(JSON.stringify(same))
      })`
    expect(await evaluate(program, 'commonjs')).toEqual([true, true, true, true])
  })

  // redis-errors is a dependency of redis-parser.
  it('loads nothing else than what it names, when it is needed, and leaves nothing running', async () => {
    const program = `
      const { createClient } = require('slotwise/core')
      const loaded = () => Object.keys(require.cache).map(file => /node_modules\\/([^/]+)/.exec(file)?.[1]).filter(Boolean)
      const folders = () => [...new Set(loaded())].sort()
      createClient({ server: '127.0.0.1:1' })
      const first = folders()
      const client = createClient({ server: '127.0.0.1:1', protocol: 2, cache: { maxEntries: 1 } })
      client.execute('BLPOP', ['key', 0], { timeoutMs: 50 }).catch(() => 0).then(() => client.destroy())
        .then(() => console.log(JSON.stringify([first, folders()])))`
    const named: string[] = ['denque', 'generic-pool', 'lru-cache', 'redis-errors', 'redis-parser']
    const [first, then] = (await evaluate(program, 'commonjs')) as string[][]
    expect(first).toEqual(['denque'])
    expect(named).toEqual(expect.arrayContaining(then as string[]))
    expect(then).toContain('lru-cache')
  })

  it('does not give away its insides', async () => {
    const program = `try { require('slotwise/dist/turn.js') } catch (error) { console.log(JSON.stringify(error.code)) }`
    expect(await evaluate(program, 'commonjs')).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })
})
