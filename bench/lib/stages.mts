// Stages: the servers that workloads need, started when the first of them does.
// Owns    the servers.
// Dies    with `await using`, and its servers with it.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LocalCluster, LocalServer, type LocalServerOptions } from '../../scripts/local-cluster.mjs'
import { makeTestCertificates } from '../../scripts/local-tls.mjs'
import { findOnPath } from '../../scripts/programs.mjs'
import { BareClient } from '../bare-client.mjs'
import { readAuthority } from './clients.mjs'
import { pinned } from './pinned.mjs'
import { fill, type Stage, script } from './workloads.mjs'

export interface Place {
  addresses: readonly string[]
  caPath?: string | undefined
}

export class Stages {
  readonly #places = new Map<Stage, Place>()
  readonly #stops: (() => Promise<void> | void)[] = []
  readonly #log: (line: string) => void

  constructor(log: (line: string) => void) {
    this.#log = log
  }

  /** Null where this machine lacks something that they need. */
  async of(stage: Stage): Promise<Place | null> {
    if (stage === 'tls' && findOnPath('openssl') === null) {
      this.#log('  left out: certificates are made by openssl, which is not there')
      return null
    }
    let place = this.#places.get(stage)
    if (place === undefined) {
      place = await this.#start(stage)
      this.#places.set(stage, place)
    }
    return place
  }

  async #start(stage: Stage): Promise<Place> {
    const options: LocalServerOptions = pinned ? { cpu: 1 } : {}
    if (stage === 'tls') {
      const dir = mkdtempSync(join(tmpdir(), 'slotwise-bench-'))
      this.#stops.push(() => rmSync(dir, { recursive: true, force: true }))
      const { ca, server } = makeTestCertificates(dir)
      options.tls = { ...server, ca }
      options.config = { 'tls-auth-clients': 'no' }
    }
    const servers = await this.#launch(stage, options)
    const place = { addresses: servers.map(({ address }) => address), caPath: options.tls?.ca }
    for (const server of servers) await server.command('SCRIPT', 'LOAD', script.text)
    const filler = new BareClient(place.addresses, { ca: readAuthority(place.caPath) })
    await fill(filler)
    filler.close()
    return place
  }

  async #launch(stage: Stage, options: LocalServerOptions): Promise<LocalServer[]> {
    if (stage === 'standalone') {
      const server = await LocalServer.start(options)
      this.#stops.push(() => server.stop())
      this.#log(`a server alone listens on port ${server.port}`)
      return [server]
    }
    // The servers have one core between them: one that computes for long is not a failure.
    const cluster = await LocalCluster.start({
      ...options,
      replicasPerPrimary: 0,
      nodeTimeoutMs: 15_000,
      onProgress: line => this.#log(stage === 'tls' ? `${line} (TLS)` : line),
    })
    this.#stops.push(() => cluster.stop())
    return cluster.nodes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop()
  }
}
