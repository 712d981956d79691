// MultiKey: commands with keys of several slots, split on request.

import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { slotOf } from 'slotwise/core'
import { describe, expect, it } from 'vitest'
import type { LocalServer } from '../../scripts/local-cluster.mjs'
import { keyIn, useCluster } from '../support/settled.js'

const test = useCluster({
  nodeTimeoutMs: 30_000,
  config: { 'cluster-require-full-coverage': 'no' },
})

const slots = [1, 6000, 16_000, 2, 7000, 15_000, 1]
const keysOf = (name: string) => slots.map((slot, i) => keyIn(slot, `${name} ${i}`))

function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return null
}

describe('a command with keys of several slots', () => {
  it('is refused unless splitting is asked for, for the client or for the call', async () => {
    const keys = keysOf('asked')
    const plain = test.client()
    const splitting = test.client({ splitMultiKey: true })
    const crossSlot = expect.objectContaining({ code: 'SLOTWISE_CROSS_SLOT', command: 'MGET' })
    expect(thrownBy(() => plain.execute('MGET', keys))).toEqual(crossSlot)
    expect(thrownBy(() => plain.execute('MGET', keys, { split: false }))).toEqual(crossSlot)
    expect(thrownBy(() => splitting.execute('MGET', keys, { split: false }))).toEqual(crossSlot)
    expect(thrownBy(() => plain.batch([['MGET', keys]]))).toEqual(crossSlot)
    for (const [name, args] of [
      ['MSETNX', keys.flatMap(key => [key, 1])],
      ['SUNION', keys],
      ['PFCOUNT', keys],
    ] as const)
      expect(thrownBy(() => splitting.execute(name, args))).toMatchObject({ code: 'SLOTWISE_CROSS_SLOT' })
    expect(plain.inspect().issued + splitting.inspect().issued).toBe(0)
    expect(await plain.execute('MGET', keys, { split: true })).toEqual(keys.map(() => null))
    expect(await splitting.execute('MGET', keys)).toEqual(keys.map(() => null))
  })

  it('gives values in the order of the keys, sums of counts, and OK', async () => {
    const client = test.client({ splitMultiKey: true })
    const keys = keysOf('merged')
    const pairs = keys.flatMap((key, i) => [key, `value ${i}`])
    expect(await client.execute('MSET', pairs)).toBe('OK')
    const backwards = [...keys].reverse()
    expect(await client.execute('MGET', backwards)).toEqual(keys.map((_, i) => `value ${i}`).reverse())
    const buffers = await client.execute('MGET', keys.map(Buffer.from as (key: string) => Buffer), { buffers: true })
    expect(buffers).toEqual(keys.map((_, i) => Buffer.from(`value ${i}`)))
    expect(await client.execute('EXISTS', [...keys, keyIn(9000, 'absent')])).toBe(keys.length)
    expect(await client.execute('TOUCH', keys)).toBe(keys.length)
    expect(await client.execute('DEL', keys.slice(0, 3))).toBe(3)
    expect(await client.execute('UNLINK', keys)).toBe(keys.length - 3)
    expect(await test.client({ stringNumbers: true }).execute('EXISTS', keys, { split: true })).toBe('0')
  })

  it('treats a key that is named twice as the server does', async () => {
    const client = test.client({ splitMultiKey: true })
    const [a, b] = [keyIn(10, 'twice'), keyIn(9000, 'twice')]
    expect(await client.execute('MSET', [a, 1, b, 2, a, 3])).toBe('OK')
    expect(await client.execute('MGET', [a, b, a])).toEqual(['3', '2', '3'])
    expect(await client.execute('EXISTS', [a, b, a, b, a])).toBe(5)
    expect(await client.execute('TOUCH', [a, b, a])).toBe(3)
    expect(await client.execute('DEL', [a, b, a, b])).toBe(2)
  })

  it('is one entry of a batch', async () => {
    const client = test.client()
    const keys = keysOf('batch')
    const outcomes = await client.batch([
      ['MSET', keys.flatMap((key, i) => [key, i]), { split: true }],
      ['PING'],
      ['MGET', keys, { split: true }],
      ['EXISTS', keys, { split: true, signal: AbortSignal.abort('why') }],
    ])
    expect(outcomes.slice(0, 3)).toEqual(['OK', 'PONG', keys.map((_, i) => String(i))])
    expect(outcomes[3]).toMatchObject({ code: 'SLOTWISE_ABORTED', maybeExecuted: false })
  })

  it('refuses MSET without a value for each key, and sends keys of one slot as they are', async () => {
    const client = test.client({ splitMultiKey: true })
    await client.connect()
    expect(thrownBy(() => client.execute('MSET', [keyIn(1), 1, keyIn(2)]))).toMatchObject({
      code: 'SLOTWISE_INVALID_ARGUMENT',
      command: 'MSET',
    })
    const before = client.inspect().issued
    expect(await client.execute('MGET', [keyIn(1, 'x'), keyIn(1, 'y')])).toEqual([null, null])
    expect(client.inspect().issued).toBe(before + 1)
  })

  it('follows redirects part by part', async () => {
    const client = test.client({ splitMultiKey: true, refreshPeriodMs: 0 })
    const keys = [keyIn(30, 'moving'), keyIn(31, 'staying'), keyIn(9000, 'elsewhere')]
    await client.execute(
      'MSET',
      keys.flatMap(key => [key, slotOf(key)]),
    )
    const [from, to] = [await test.cluster.primaryOf(30), await test.cluster.primaryOf(16_000)]
    await test.cluster.beginMigration(30, from, to)
    expect(await test.cluster.migrateKeys(30, from, to)).toBe(1)
    expect(await client.execute('MGET', keys)).toEqual(['30', '31', '9000'])
    expect(client.inspect().redirects).toEqual({ moved: 0, ask: 1 })
    await test.cluster.finishMigration(30, from, to)
    expect(await client.execute('DEL', keys)).toBe(3)
    expect(client.inspect().redirects.moved).toBe(1)
  })

  it('fails in part when some slots cannot be served, and says which', async () => {
    const client = test.client({ splitMultiKey: true })
    const keys = [keyIn(1, 'secret'), keyIn(2, 'secret'), keyIn(9000, 'secret')]
    const away = (await test.cluster.primaryOf(9000)) as LocalServer
    await client.execute(
      'MSET',
      keys.flatMap(key => [key, 'value']),
    )
    away.freeze()
    const startedAt = performance.now()
    const error = await client.execute('DEL', keys, { timeoutMs: 400 }).catch((reason: unknown) => reason)
    const elapsedMs = performance.now() - startedAt
    const all = await client
      .execute('DEL', [keyIn(9000), keyIn(9001)], { timeoutMs: 200 })
      .catch((reason: unknown) => reason)
    away.thaw()
    expect(error).toMatchObject({
      code: 'SLOTWISE_PARTIAL_FAILURE',
      command: 'DEL',
      maybeExecuted: true,
      endpoint: away.address,
      cause: { code: 'SLOTWISE_TIMEOUT', phase: 'flight' },
    })
    const { parts, message } = error as { parts: Map<number, unknown>; message: string }
    expect([...parts.keys()]).toEqual([1, 2, 9000])
    expect([parts.get(1), parts.get(2)]).toEqual(['ok', 'ok'])
    expect(parts.get(9000)).toMatchObject({ code: 'SLOTWISE_TIMEOUT' })
    expect(message).not.toContain('secret')
    expect(elapsedMs).toBeLessThan(2000)
    // Nothing was done by halves: the error that all parts have in common.
    expect(all).toMatchObject({ code: 'SLOTWISE_TIMEOUT', endpoint: away.address })
  })
})

describe('examples/cluster-commands.mjs', () => {
  it('does what it says', async () => {
    const example = resolve(import.meta.dirname, '../../examples/cluster-commands.mjs')
    const env = { ...process.env, CLUSTER_NODES: test.cluster.addresses.slice(0, 2).join(',') }
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [example], { env })
    expect(stderr).toBe('')
    expect(stdout).toContain('MGET of 1000 keys: SLOTWISE_CROSS_SLOT')
    expect(stdout).toContain('scanIterator: 1000 keys')
    expect(stdout).toContain('UNLINK, split: 1000 keys gone')
  })
})
