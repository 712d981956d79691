// Keys and slots as this client finds them, against those of a real server.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CommandFlag, keyIndexes, resolveCommand, slotOf, specOf } from '../../src/command/command.js'
import { commandLines } from '../../src/command/table.generated.js'
import { findSpec } from '../../src/command/table.js'
import { keyExamples } from '../unit/command/key-examples.js'

/** Shard channels decide the slot as keys do, but COMMAND GETKEYS does not call them keys. */
const channelCommands = ['SPUBLISH', 'SSUBSCRIBE', 'SUNSUBSCRIBE']

let server: ChildProcess
let folder: string
let admin: Redis

/** Two ports that were free a moment ago, for commands and for the cluster bus. */
async function freePorts(): Promise<[number, number]> {
  const probes = [createServer(), createServer()]
  const ports: number[] = []
  for (const probe of probes) {
    await once(probe.listen(0, '127.0.0.1'), 'listening')
    ports.push((probe.address() as AddressInfo).port)
  }
  for (const probe of probes) await once(probe.close(), 'close')
  return ports as [number, number]
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slotwise-keys-'))
  const [port, busPort] = await freePorts()
  const options = { port, bind: '127.0.0.1', 'cluster-enabled': 'yes', 'cluster-port': busPort, save: '', dir: folder }
  server = spawn(
    'redis-server',
    Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
  )
  const log: string[] = []
  for await (const line of createInterface({ input: server.stdout! })) {
    log.push(line)
    if (line.includes('Ready to accept connections')) break
  }
  if (server.exitCode !== null) throw new Error(`redis-server ended: ${log.join('\n')}`)
  server.stdout?.resume()
  admin = new Redis({ host: '127.0.0.1', port, retryStrategy: () => null })
})

afterAll(async () => {
  admin?.disconnect()
  if (server?.exitCode === null) {
    server.kill()
    await once(server, 'exit')
  }
  await rm(folder, { recursive: true, force: true })
})

/** What COMMAND GETKEYS says of a call; an Error when it has no answer. */
async function serverKeys(name: string, args: readonly string[]): Promise<string[] | Error> {
  return (admin.call('COMMAND', 'GETKEYS', name, ...args) as Promise<string[]>).catch((error: Error) => error)
}

function clientKeys(name: string, args: readonly string[]): string[] {
  return keyIndexes(specOf(resolveCommand(name), args), args).map(index => args[index] as string)
}

/** Names of the commands in the generated table that have keys, channels left out. */
function namesWithKeys(): string[] {
  const names = commandLines.map(line => line.slice(0, line.indexOf(' ')))
  return names.filter(name => !(findSpec(name)!.flags & CommandFlag.keyless) && !channelCommands.includes(name))
}

describe('slotOf', () => {
  it('equals CLUSTER KEYSLOT for random keys of every kind', async () => {
    const keys = [
      ...fc.sample(fc.string({ maxLength: 60 }), 300),
      ...fc.sample(fc.string({ unit: 'binary', maxLength: 40 }), 300),
      ...fc.sample(fc.string({ unit: 'grapheme', maxLength: 40 }), 300),
      ...fc.sample(fc.string({ unit: fc.constantFrom('{', '}', 'a', 'b', 'é', '😀'), maxLength: 12 }), 600),
      ...fc.sample(fc.uint8Array({ maxLength: 60 }), 300),
      ...fc
        .sample(fc.array(fc.constantFrom(0x7b, 0x7d, 0x00, 0xff), { maxLength: 12 }), 300)
        .map(bytes => Buffer.from(bytes)),
      ...fc.sample(fc.maxSafeInteger(), 50),
      ...fc.sample(fc.bigInt(), 50),
      '',
      '\ud800',
    ]
    const answers = await Promise.all(
      keys.map(key => {
        const bytes = key instanceof Uint8Array ? Buffer.from(key) : Buffer.from(String(key))
        return admin.call('CLUSTER', 'KEYSLOT', bytes)
      }),
    )
    expect(answers.length).toBe(keys.length)
    expect(keys.map(slotOf)).toEqual(answers)
  })
})

describe('keyIndexes', () => {
  it('has an example of each command with keys', () => {
    const shown = new Set(keyExamples.map(({ name, args }) => specOf(resolveCommand(name), args).name))
    expect(namesWithKeys().filter(name => !shown.has(name))).toEqual([])
  })

  it('equals COMMAND GETKEYS for the examples', async () => {
    let compared = 0
    for (const { text, name, args } of keyExamples) {
      if (channelCommands.includes(name)) continue
      const expected = await serverKeys(name, args)
      // EVAL with no keys is an error for GETKEYS, and no keys for a client.
      if (expected instanceof Error)
        expect([text, expected.message]).toEqual(['EVAL script 0 a', expect.stringMatching('key')])
      else {
        expect(clientKeys(name, args), text).toEqual(expected)
        compared++
      }
    }
    expect(compared).toBeGreaterThan(200)
  })

  it('lists the channel commands because COMMAND GETKEYS has no answer for them', async () => {
    for (const { name, args } of keyExamples.filter(example => channelCommands.includes(example.name))) {
      expect(await serverKeys(name, args)).toMatchObject({ message: expect.stringContaining('no key arguments') })
    }
  })

  it('equals COMMAND GETKEYS for random arguments wherever the server has an answer', async () => {
    const words = [
      'STORE',
      'storedist',
      'STREAMS',
      'KEYS',
      'LIMIT',
      'BY',
      'GET',
      'AUTH',
      'AUTH2',
      'COUNT',
      'BLOCK',
      'GROUP',
    ]
    const word = fc.oneof(
      fc.constantFrom(...words),
      // Whole numbers only: for '1.0' GETKEYS falls back to an older look-up, and the command itself is refused.
      fc.constantFrom('', '0', '1', '2', '3', '-1', '99', '99999999999999999999'),
      fc.string({ unit: fc.constantFrom('a', 'Z', '{', '}', 'é'), maxLength: 5 }),
    )
    let compared = 0
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...namesWithKeys()), fc.array(word, { maxLength: 10 }), async (full, rest) => {
        const [name, subcommand] = full.split('|') as [string, string?]
        const args = subcommand === undefined ? rest : [subcommand, ...rest]
        const found = clientKeys(name, args)
        const expected = await serverKeys(name, args)
        if (expected instanceof Error) return
        compared++
        expect(found).toEqual(expected)
      }),
      { numRuns: 5000 },
    )
    // Movable keys are rare among all commands, so they get a round of their own.
    const movable = namesWithKeys().filter(name => findSpec(name)!.flags & CommandFlag.movablekeys)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...movable),
        fc.array(word, { minLength: 3, maxLength: 12 }),
        async (name, args) => {
          const found = clientKeys(name, args)
          const expected = await serverKeys(name, args)
          if (expected instanceof Error) return
          compared++
          expect(found).toEqual(expected)
        },
      ),
      { numRuns: 5000 },
    )
    expect(compared).toBeGreaterThan(2000)
  })
})

describe('the generated table', () => {
  it('names every command and subcommand of this server', async () => {
    const entries = (await admin.call('COMMAND')) as [string, ...unknown[]][]
    const names = entries.flatMap(entry => [entry[0], ...(entry[9] as [string][]).map(subcommand => subcommand[0])])
    expect(names.map(name => name.toUpperCase()).sort()).toEqual(commandLines.map(line => line.split(' ')[0]).sort())
  })
})
