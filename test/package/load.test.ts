// The package in an empty project: what CommonJS and ESM get, by its name and by its deep paths.

import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { beforeAll, describe, expect, it } from 'vitest'
import { installed } from '../dependents/support/installed.js'
import { Project } from './project.js'

const require = createRequire(import.meta.url)
const isSlotwise = process.env.SLOTWISE_COMPAT !== 'ioredis'
const name = isSlotwise ? 'slotwise' : 'ioredis'

/** What ioredis 6.0.0 gives by name. */
const names = [
  'AbstractConnector',
  'Cluster',
  'Command',
  'Pipeline',
  'Redis',
  'ReplyError',
  'ScanStream',
  'SentinelConnector',
  'SentinelIterator',
  'print',
]

/** Deep paths that programs load today. Folders first: ESM resolves no folders in a package without an exports map. */
const folders = ['', '/utils', '/errors', '/cluster', '/connectors', '/connectors/SentinelConnector']
const files = [
  '/Command',
  '/Pipeline',
  '/Redis',
  '/ScanStream',
  '/Script',
  '/cluster/ClusterOptions',
  '/cluster/index',
  '/cluster/util',
  '/connectors/AbstractConnector',
  '/connectors/SentinelConnector/index',
  '/connectors/StandaloneConnector',
  '/connectors/index',
  '/errors/ClusterAllFailedError',
  '/errors/MaxRetriesPerRequestError',
  '/errors/index',
  '/index',
  '/redis/RedisOptions',
  '/tracing',
  '/transaction',
  '/types',
  '/utils/Commander',
  '/utils/RedisCommander',
  '/utils/index',
]

let project: Project
beforeAll(async () => {
  project = await Project.create('empty')
})

const commonjs = (program: string) => project.evaluate('commonjs', program)
const esm = (program: string) => project.evaluate('module', program)

describe('CommonJS', () => {
  it('gets the Redis constructor, with everything else hung on it', async () => {
    const program = `
      const Redis = require('${name}')
      const redis = new Redis({ lazyConnect: true })
      const cluster = new Redis.Cluster([7000], { lazyConnect: true })
      console.log(JSON.stringify({
        type: typeof Redis,
        names: [Redis.name, Redis.Cluster.name],
        same: [Redis.default, Redis.Redis].map(other => other === Redis),
        instances: [redis instanceof Redis, cluster instanceof Redis.Cluster],
        statuses: [redis.status, cluster.status],
        isCluster: [redis.isCluster, cluster.isCluster],
        created: Redis.createClient({ lazyConnect: true }) instanceof Redis,
        options: typeof Redis.defaultOptions,
      }))`
    expect(await commonjs(program)).toEqual({
      type: 'function',
      names: ['Redis', 'Cluster'],
      same: [true, true],
      instances: [true, true],
      statuses: ['wait', 'wait'],
      isCluster: [false, true],
      created: true,
      options: 'object',
    })
  })

  it('gets each name', async () => {
    const program = `
      const { ${names.join(', ')} } = require('${name}')
      console.log(JSON.stringify([${names.join(', ')}].map(each => typeof each)))`
    expect(await commonjs(program)).toEqual(names.map(() => 'function'))
  })

  it('gets the same, however it is loaded', async () => {
    const program = `
      const Redis = require('${name}')
      import('${name}').then(all => {
        const same = ${JSON.stringify(names)}.filter(each => all[each] !== Redis[each])
        console.log(JSON.stringify([same, all.default === Redis]))
      })`
    expect(await commonjs(program)).toEqual([[], true])
  })

  it('can be extended as a class', async () => {
    const program = `
      const Redis = require('${name}')
      class Mine extends Redis { constructor() { super({ lazyConnect: true }) } hello() { return this.status } }
      const mine = new Mine()
      console.log(JSON.stringify([mine.hello(), mine instanceof Redis, mine.duplicate() instanceof Redis]))`
    expect(await commonjs(program)).toEqual(['wait', true, true])
  })
})

describe('ESM', () => {
  it('gets names and default by static imports', async () => {
    const program = `
      import Redis, { ${names.map(each => (each === 'Redis' ? 'Redis as Named' : each)).join(', ')} } from '${name}'
      import * as all from '${name}'
      const missing = ${JSON.stringify(names)}.filter(each => !(each in all))
      console.log(JSON.stringify([Redis === Named, all.default === Redis, Redis.Cluster === Cluster, missing]))`
    expect(await esm(program)).toEqual([true, true, true, []])
  })

  it('gets constructors', async () => {
    const program = `
      import Redis, { Cluster } from '${name}'
      const redis = new Redis({ lazyConnect: true })
      const cluster = new Cluster([7000], { lazyConnect: true })
      console.log(JSON.stringify([redis instanceof Redis, cluster instanceof Cluster]))`
    expect(await esm(program)).toEqual([true, true])
  })
})

describe.runIf(isSlotwise)('slotwise/core', () => {
  it('is there for CommonJS and ESM, and is one', async () => {
    const program = `
      import { createClient, slotOf } from 'slotwise/core'
      import { createRequire } from 'node:module'
      const core = createRequire(import.meta.url)('slotwise/core')
      console.log(JSON.stringify([typeof createClient, slotOf('123456789'), core.createClient === createClient]))`
    expect(await esm(program)).toEqual(['function', 12_739, true])
    expect(await commonjs(`console.log(JSON.stringify(typeof require('slotwise/core').createClient))`)).toBe('function')
  })

  it('does not load the rest', async () => {
    const program = `
      require('slotwise/core')
      const loaded = Object.keys(require.cache).filter(file => /slotwise.dist.(ioredis|built)/.test(file))
      console.log(JSON.stringify(loaded))`
    expect(await commonjs(program)).toEqual([])
  })
})

describe.runIf(isSlotwise)('slotwise/testing', () => {
  const use = `
    const main = async () => {
      const server = await testing.FakeServer.start()
      const client = core.createClient({ server: server.address })
      await client.execute('SET', ['k', 'v'])
      console.log(JSON.stringify([await client.execute('GET', ['k']), Object.keys(testing).sort()]))
      await client.close()
      await server.close()
    }`
  const exported = [
    'FakeCluster',
    'FakeConnection',
    'FakeNode',
    'FakeServer',
    'array',
    'ask',
    'bulk',
    'keyInSlot',
    'moved',
  ]
  const gives = ['v', [...exported, 'silence', 'takeOverTime']]

  it('is there for CommonJS', async () => {
    const load = `const testing = require('slotwise/testing'); const core = require('slotwise/core')`
    expect(await commonjs(`${load}\n${use}\nmain()`)).toEqual(gives)
  })

  it('is there for ESM, by name', async () => {
    const load = `
      import { FakeServer } from 'slotwise/testing'
      import * as all from 'slotwise/testing'
      import * as core from 'slotwise/core'
      const { default: _, 'module.exports': __, __esModule: ___, ...testing } = { ...all, FakeServer }`
    expect(await esm(`${load}\n${use}\nawait main()`)).toEqual(gives)
  })

  it('is loaded by nobody else, and loads nothing of a client', async () => {
    const loaded = (entry: string) =>
      commonjs(`
        require('${entry}')
        console.log(JSON.stringify(Object.keys(require.cache).map(file => file.split('/dist/')[1]).filter(file => file !== undefined)))`)
    for (const entry of ['slotwise', 'slotwise/core']) {
      expect(((await loaded(entry)) as string[]).filter(file => file.startsWith('testing'))).toEqual([])
    }
    const own = (await loaded('slotwise/testing')) as string[]
    expect(own.filter(file => !file.startsWith('testing')).sort()).toEqual(['command/slot.js', 'errors.js'])
  })
})

describe('deep paths', () => {
  it('give the message that BullMQ compares with', async () => {
    const program = `
      const { CONNECTION_CLOSED_ERROR_MSG } = require('${name}/built/utils')
      const { MaxRetriesPerRequestError } = require('${name}/built/errors')
      console.log(JSON.stringify([CONNECTION_CLOSED_ERROR_MSG, new MaxRetriesPerRequestError(3).message]))`
    expect(await commonjs(program)).toEqual([
      'Connection is closed.',
      'Reached the max retries per request limit (which is 3). Refer to "maxRetriesPerRequest" option for details.',
    ])
  })

  it('have the names that they have in ioredis', async () => {
    const paths = [...folders, ...files, ...files.map(file => `${file}.js`)]
    const expected = paths.map(path => [path, Object.keys(require(`ioredis/built${path}`) as object)])
    const program = `
      const missing = {}
      for (const [path, names] of ${JSON.stringify(expected)}) {
        try {
          const found = require('${name}/built' + path)
          const lacks = names.filter(each => !(each in found))
          if (lacks.length > 0) missing[path] = lacks
        } catch (error) {
          missing[path] = error.message
        }
      }
      console.log(JSON.stringify(missing))`
    expect(await commonjs(program)).toEqual({})
  })

  it('can be imported, too, and are what the names are', async () => {
    const program = `
      import * as all from '${name}'
      import redis from '${name}/built/Redis.js'
      import cluster from '${name}/built/cluster/index.js'
      import pipeline from '${name}/built/Pipeline.js'
      import command from '${name}/built/Command.js'
      import { CONNECTION_CLOSED_ERROR_MSG } from '${name}/built/utils/index.js'
      import { MaxRetriesPerRequestError } from '${name}/built/errors/index.js'
      const same = [redis.default === all.Redis, cluster.default === all.Cluster, pipeline.default === all.Pipeline,
        command.default === all.Command]
      console.log(JSON.stringify([same, CONNECTION_CLOSED_ERROR_MSG, MaxRetriesPerRequestError.name]))`
    const same = [true, true, true, true]
    expect(await esm(program)).toEqual([same, 'Connection is closed.', 'MaxRetriesPerRequestError'])
  })
})

describe('the deep path of the whole', () => {
  it('is the constructor', async () => {
    const program = `console.log(JSON.stringify(require('${name}/built') === require('${name}')))`
    expect(await commonjs(program)).toBe(true)
  })

  it('can be imported by name', async () => {
    const program = `
      import { Redis } from '${name}/built/index.js'
      import * as all from '${name}'
      console.log(JSON.stringify(Redis === all.Redis))`
    expect(await esm(program)).toBe(true)
  })
})

describe('the installed package', () => {
  it('brings its dependencies and nothing else', async () => {
    const { dependencies = {} } = installed().packed.manifest
    const folders = readdirSync(project.path('node_modules')).filter(each => !each.startsWith('.'))
    // redis-errors is a dependency of redis-parser.
    const own = isSlotwise ? [name, ...Object.keys(dependencies), 'redis-errors'] : folders
    expect(folders.sort()).toEqual(own.sort())
  })

  it('shows its package.json', async () => {
    const { version } = installed().packed.manifest
    expect(await commonjs(`console.log(JSON.stringify(require('${name}/package.json').version))`)).toBe(version)
  })

  it('leaves nothing running, and says nothing', async () => {
    expect(await commonjs(`require('${name}'); console.log(1)`)).toBe(1)
    expect(await esm(`import '${name}'; console.log(1)`)).toBe(1)
  })
})
