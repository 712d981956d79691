// LocalServer: what is left of servers when the program that started them ends.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const module = new URL('../../.build/scripts/local-server.mjs', import.meta.url).href
const program = `
  const { LocalServer } = await import('${module}')
  const [up, down] = [await LocalServer.start(), await LocalServer.start()]
  await down.kill()
  console.log('ready', (await up.command('PING')))
  setInterval(() => undefined, 1000)
`

it('an interrupt leaves no process and no folder, of servers that run and of servers that are down', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slotwise-test-'))
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [text] = await once(child.stdout, 'data')
    expect(String(text)).toContain('ready')
    expect(readdirSync(folder)).toHaveLength(2)
    child.kill('SIGINT')
    expect((await once(child, 'exit'))[0]).toBe(130)
    expect(readdirSync(folder)).toEqual([])
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})
