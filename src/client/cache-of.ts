// CacheOf: the cache of a client, as its options have it.

import { ClientCache } from '../cache/client-cache.js'
import type { CacheHost } from '../cache/host.js'
import { noTimeoutMs } from '../command/call.js'
import type { Issuer } from '../command/issuer.js'
import type { Router } from '../routing/router.js'
import type { Topology } from '../topology/topology.js'
import type { Turn } from '../turn.js'
import type { ClientConfig } from './options.js'
import type { Prepared } from './prepare.js'

export type Cache = ClientCache<Prepared>

/** Null when nothing is cached. */
export function cacheOf(
  config: ClientConfig,
  engine: { issue: CacheHost<Prepared>['issue'] },
  issuer: Issuer,
  turn: Turn,
  topology: Topology,
  router: Router,
): Cache | null {
  if (config.cache === null) return null
  const host: CacheHost<Prepared> = {
    issue: (read, resolve, flags) => engine.issue(read, resolve, flags),
    issueInternal: (name, args, flags, resolve) => issuer.issueInternal(name, args, noTimeoutMs, flags, resolve),
    dispatch: call => router.dispatch(call),
    charge: call => issuer.budget.charge(call),
    ownerOf: slot => topology.map.primaryOf(slot),
  }
  return new ClientCache(config.cache, host, turn, config)
}
