// The package's types in TypeScript projects of all kinds: strict, and with the declarations of libraries checked.

import { beforeAll, describe, expect, it } from 'vitest'
import { type Manifest, readJson, root } from '../dependents/support/packed.js'
import { Project } from './project.js'

const isSlotwise = process.env.SLOTWISE_COMPAT !== 'ioredis'
const name = isSlotwise ? 'slotwise' : 'ioredis'

const use = `
export async function use(redis: Redis, cluster: Cluster): Promise<string> {
  const value: string | null = await redis.get('key')
  const buffer: Buffer | null = await redis.getBuffer('key')
  const results: [error: Error | null, result: unknown][] | null = await redis.pipeline().set('a', 1).get('a').exec()
  await redis.multi().incr('n').exec()
  redis.get('key', (error, result) => void [error, result])
  redis.on('message', (channel: string, message: string) => void [channel, message])
  const nodes: Redis[] = cluster.nodes('master')
  const status: string = nodes[0]?.status ?? cluster.status
  return [value, buffer, results, status].join()
}
export function open(options: RedisOptions, clusterOptions: ClusterOptions): [Redis, Cluster] {
  return [new Redis({ ...options, lazyConnect: true }), new Cluster([{ host: 'a', port: 1 }], clusterOptions)]
}
const [redis, cluster] = open({ port: 1 }, { lazyConnect: true })
process.stdout.write([redis instanceof Redis, cluster instanceof Cluster].join(' '))
`

interface Source {
  text: string
  /** ioredis itself does not compile so, or does not have it. */
  slotwiseOnly?: boolean
}

const named: Source = {
  text: `import { Cluster, type ClusterOptions, Redis, type RedisOptions } from '${name}'\n${use}`,
}
// With the default of a CommonJS package, TypeScript gives ESM its module.exports, which ioredis does not declare.
const byDefault: Source = {
  text: `import Redis, { Cluster, type ClusterOptions, type RedisOptions } from '${name}'\n${use}`,
  slotwiseOnly: true,
}
const namespace: Source = {
  text: `import * as all from '${name}'
    const { Cluster, Redis } = all
    type Redis = all.Redis
    type Cluster = all.Cluster
    type RedisOptions = all.RedisOptions
    type ClusterOptions = all.ClusterOptions\n${use}`,
}
const required: Source = {
  text: `import all = require('${name}')
    import Redis = all.Redis
    import Cluster = all.Cluster
    type RedisOptions = all.RedisOptions
    type ClusterOptions = all.ClusterOptions
    export const same: boolean = all.default === all.Redis\n${use}`,
}
const types: Source = {
  text: `import type { ${[
    'BatchOperationContext',
    'Callback',
    'ChainableCommander',
    'ClientContext',
    'ClusterNode',
    'ClusterOptions',
    'ClusterStatus',
    'CommandTraceContext',
    'CommonRedisOptions',
    'ConnectTraceContext',
    'DNSLookupFunction',
    'DNSResolveSrvFunction',
    'HimportFieldset',
    'NatMap',
    'NodeRole',
    'RedisCommander',
    'RedisKey',
    'RedisOptions',
    'RedisStatus',
    'RedisValue',
    'Result',
    'ScanStreamOptions',
    'SentinelAddress',
    'SentinelConnectionOptions',
    'StandaloneConnectionOptions',
  ].join(', ')} } from '${name}'
    export type All = [BatchOperationContext, Callback, ChainableCommander, ClientContext, ClusterNode, ClusterOptions,
      ClusterStatus, CommandTraceContext, CommonRedisOptions, ConnectTraceContext, DNSLookupFunction,
      DNSResolveSrvFunction, HimportFieldset, NatMap, NodeRole, RedisCommander, RedisKey, RedisOptions, RedisStatus,
      RedisValue, Result<string, ClientContext>, ScanStreamOptions, SentinelAddress, SentinelConnectionOptions,
      StandaloneConnectionOptions]
    const key: RedisKey = Buffer.from('key')
    const value: RedisValue = 1
    const callback: Callback<string> = (error, result) => void [error, result]
    process.stdout.write([typeof key, typeof value, typeof callback].join(' '))`,
}
const deep: Source = {
  text: `import { CONNECTION_CLOSED_ERROR_MSG } from '${name}/built/utils/index.js'
    import type { RedisOptions } from '${name}/built/redis/RedisOptions.js'
    import type { ClusterOptions } from '${name}/built/cluster/ClusterOptions.js'
    import type { ChainableCommander } from '${name}/built/utils/RedisCommander.js'
    const message: string = CONNECTION_CLOSED_ERROR_MSG
    export type Deep = [RedisOptions, ClusterOptions, ChainableCommander]
    process.stdout.write(message)`,
}
const folders: Source = {
  text: `import { CONNECTION_CLOSED_ERROR_MSG } from '${name}/built/utils'
    import { MaxRetriesPerRequestError } from '${name}/built/errors'
    const error: Error = new MaxRetriesPerRequestError(1)
    process.stdout.write([CONNECTION_CLOSED_ERROR_MSG, error.name].join(' '))`,
  slotwiseOnly: true,
}
const core: Source = {
  text: `import { createClient, slotOf } from 'slotwise/core'
    const slot: number = slotOf('123456789')
    process.stdout.write([typeof createClient, slot].join(' '))`,
  slotwiseOnly: true,
}
const testing: Source = {
  text: `import { FakeCluster, type FakeNode, FakeServer, type Handler, silence, takeOverTime, type VirtualTime } from 'slotwise/testing'
    const handler: Handler = ([name]) => (name === 'GET' ? silence : undefined)
    export async function use(time: VirtualTime): Promise<readonly FakeNode[]> {
      const cluster: FakeCluster = await time.until(FakeCluster.start({ primaries: 1, replicas: 0 }))
      const server: FakeServer = await FakeServer.start({ handler })
      await Promise.all([cluster.close(), server.close()])
      return cluster.nodes
    }
    process.stdout.write([typeof FakeServer.start, typeof takeOverTime].join(' '))`,
  slotwiseOnly: true,
}

const both = 'true true'
const message = 'Connection is closed.'
const everywhere: Record<string, [Source, string]> = {
  named: [named, both],
  default: [byDefault, both],
  namespace: [namespace, both],
  types: [types, 'object number function'],
  deep: [deep, message],
  folders: [folders, `${message} MaxRetriesPerRequestError`],
  core: [core, 'function 12739'],
  testing: [testing, 'function function'],
}
const commonjsOnly: Record<string, [Source, string]> = { require: [required, both] }

interface Kind {
  /** Of the project's package.json. */
  type: 'commonjs' | 'module'
  module: string
  moduleResolution: string
  sources: Record<string, [Source, string]>
  /** What is compiled runs without a bundler. */
  runs: boolean
}

const kinds: Record<string, Kind> = {
  'node16, CommonJS': {
    type: 'commonjs',
    module: 'node16',
    moduleResolution: 'node16',
    sources: { ...everywhere, ...commonjsOnly },
    runs: true,
  },
  'node16, ESM': { type: 'module', module: 'node16', moduleResolution: 'node16', sources: everywhere, runs: true },
  'nodenext, CommonJS': {
    type: 'commonjs',
    module: 'nodenext',
    moduleResolution: 'nodenext',
    sources: { ...everywhere, ...commonjsOnly },
    runs: true,
  },
  'nodenext, ESM': {
    type: 'module',
    module: 'nodenext',
    moduleResolution: 'nodenext',
    sources: everywhere,
    runs: true,
  },
  'a bundler': { type: 'module', module: 'esnext', moduleResolution: 'bundler', sources: everywhere, runs: false },
  'a bundler, preserving modules': {
    type: 'commonjs',
    module: 'preserve',
    moduleResolution: 'bundler',
    sources: { ...everywhere, ...commonjsOnly },
    runs: false,
  },
}

let project: Project
beforeAll(async () => {
  const { version } = readJson<Manifest>(`${root}/node_modules/@types/node/package.json`)
  project = await Project.create('types', { '@types/node': version })
})

describe.each(Object.entries(kinds))('for %s', (title, { type, module, moduleResolution, sources, runs }) => {
  const folder = title.replace(/\W+/g, '-')
  const chosen = Object.entries(sources).filter(([, [{ slotwiseOnly }]]) => isSlotwise || slotwiseOnly !== true)
  let complaints: string[]

  beforeAll(async () => {
    const compilerOptions = {
      target: 'es2022',
      module,
      moduleResolution,
      types: ['node'],
      strict: true,
      skipLibCheck: false,
      esModuleInterop: true,
      outDir: 'out',
      rootDir: '.',
    }
    project.write({
      [`${folder}/package.json`]: JSON.stringify({ type }),
      [`${folder}/tsconfig.json`]: JSON.stringify({ compilerOptions, include: ['*.ts'] }),
      ...Object.fromEntries(chosen.map(([source, [{ text }]]) => [`${folder}/${source}.ts`, text])),
    })
    const { stdout, stderr } = await project.tsc('-p', folder, '--pretty', 'false')
    complaints = `${stdout}${stderr}`.split('\n').filter(line => line !== '')
  })

  const sourceOf = (complaint: string) => chosen.find(([source]) => complaint.startsWith(`${folder}/${source}.ts`))?.[0]

  it("the package's own declarations are right", () => {
    // Lines that go on from the one before are indented.
    const others = complaints.filter(line => !line.startsWith(' ') && sourceOf(line) === undefined)
    expect(others).toEqual([])
  })

  it.each(chosen.map(([source, [, prints]]) => [source, prints]))(
    '%s compiles, and is what it says',
    async (source, prints) => {
      expect(complaints.filter(line => sourceOf(line) === source)).toEqual([])
      if (!runs) return
      expect(await project.node(`${folder}/out/${source}.js`)).toEqual({ code: 0, stdout: prints, stderr: '' })
    },
  )
})
