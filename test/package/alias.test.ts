// `"ioredis": "npm:slotwise@…"`: the package in the place of ioredis, as a registry would give it. The registry is a small one of our own,
// which has the tarball and sends npm on for everything else.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { installed } from '../dependents/support/installed.js'
import { install, npm, readJson } from '../dependents/support/packed.js'
import { Project } from './project.js'

let registry: Server
let project: Project

/** The registry's answers: the package's description, its tarball, or where else to look. */
async function startRegistry(): Promise<Server> {
  const { packed, folder } = installed()
  const { name, version } = packed.manifest
  const elsewhere = (await npm(folder, 'config', 'get', 'registry', '--loglevel=error')).trim().replace(/\/$/, '')
  const server = createServer((request, response) => {
    const { url = '/' } = request
    if (url === `/${name}`) {
      const dist = { tarball: `http://${request.headers.host}/${name}.tgz` }
      const versions = { [version]: { ...packed.manifest, dist } }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }))
    } else if (url === `/${name}.tgz`) {
      response.end(readFileSync(packed.tarball))
    } else {
      response.writeHead(302, { location: `${elsewhere}${url}` }).end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

beforeAll(async () => {
  registry = await startRegistry()
  const { name, version } = installed().packed.manifest
  project = Project.at('alias')
  const manifest = {
    private: true,
    dependencies: { ioredis: `npm:${name}@${version}`, '@fastify/redis': '9.0.0' },
    overrides: { ioredis: '$ioredis' },
  }
  project.write({ 'package.json': JSON.stringify(manifest) })
  await install(project.folder, `--registry=http://127.0.0.1:${(registry.address() as AddressInfo).port}/`)
})

afterAll(async () => {
  registry?.close()
})

it('is installed in the place of ioredis, for dependents, too', async () => {
  const { name, version } = installed().packed.manifest
  expect(readJson(project.path('node_modules/ioredis/package.json'))).toMatchObject({ name, version })
  const program = `
    const Redis = require('ioredis')
    const { createRequire } = require('node:module')
    const theirs = createRequire(require.resolve('@fastify/redis'))('ioredis')
    const { CONNECTION_CLOSED_ERROR_MSG } = require('ioredis/built/utils')
    const redis = new Redis({ lazyConnect: true })
    console.log(JSON.stringify([redis instanceof theirs, Redis.name, CONNECTION_CLOSED_ERROR_MSG]))`
  expect(await project.evaluate('commonjs', program)).toEqual([true, 'Redis', 'Connection is closed.'])
})
