// AddressOptions: how servers are found and named, as a user says it, checked. Pure.

import type { LookupFunction } from 'node:net'
import type { DialOptions } from '../connection/dial.js'
import { listing } from '../connection/lookup.js'
import { isPort, locator, type NatMap } from '../topology/nat-map.js'
import type { ResolveSrv, Seed, SrvSeed } from '../topology/seeds.js'
import type { Addressing } from '../topology/topology.js'
import { invalidOption as invalid, type NodeAddress, type ParsedAddress, parseAddress } from './address.js'

/** A node of a cluster, a name that stands for several, or a name whose SRV records name them (RFC 2782). */
export type ClusterAddress = NodeAddress | SrvSeed

export interface AddressOptions {
  /**
   * Looks names up in place of `dns.lookup`, and is called as that is: `(name, options, callback)`. Asked with `all: true` it may give a list.
   * Default: `dns.lookup`.
   */
  lookup?: LookupFunction
  /** Looks SRV records up in place of `dns.resolveSrv`, and is called as that is: `(name, callback)`. Default: `dns.resolveSrv`. */
  resolveSrv?: ResolveSrv
  /**
   * Where servers of a cluster are reached that announce themselves under addresses of another network: by the announced `host:port` the
   * address to dial, or a function that tells it, or null for as it is. Default: as announced.
   */
  natMap?: NatMap
}

/** What a user has said of all his servers together. */
export interface ParsedSeeds extends Omit<ParsedAddress, 'endpoint'> {
  seeds: Seed[]
}

/** @throws SlotwiseError SLOTWISE_INVALID_OPTION */
export function parseSeeds(cluster: unknown, server: unknown): ParsedSeeds {
  const clustered = cluster !== undefined
  if (clustered === (server !== undefined)) throw invalid('cluster', "must be given, or else 'server', and not both")
  if (clustered && !Array.isArray(cluster)) throw invalid('cluster', 'must be an array of addresses')
  const addresses: unknown[] = clustered ? cluster : [server]
  if (addresses.length === 0) throw invalid('cluster', 'must name at least one node')
  const seeds: Seed[] = []
  const parsed: ParsedAddress[] = []
  for (const [i, address] of addresses.entries()) {
    if (clustered && isSrv(address)) seeds.push(parseSrv(address, `cluster[${i}]`))
    else {
      const one = parseAddress(address, clustered ? `cluster[${i}]` : 'server')
      parsed.push(one)
      seeds.push(one.endpoint)
    }
  }
  const first = clustered && isSrv(addresses[0]) ? undefined : parsed[0]
  return {
    seeds,
    tls: parsed.some(({ tls }) => tls),
    username: first?.username ?? null,
    password: first?.password ?? null,
    database: first?.database ?? null,
  }
}

function isSrv(address: unknown): address is { srv: unknown } {
  return typeof address === 'object' && address !== null && 'srv' in address
}

function parseSrv({ srv, ...rest }: { srv: unknown }, option: string): SrvSeed {
  const unknown = Object.keys(rest)[0]
  // The records tell host and port.
  if (unknown !== undefined) throw invalid(`${option}.${unknown}`, 'must not be given with srv')
  if (typeof srv !== 'string' || !/^[^\s:/@]+$/.test(srv)) throw invalid(`${option}.srv`, 'must be a name')
  return { srv }
}

/** @throws SlotwiseError SLOTWISE_INVALID_OPTION */
export function resolveAddressing(
  { lookup, resolveSrv, natMap }: Record<string, unknown>,
  clustered: boolean,
): Addressing & { dial?: Pick<DialOptions, 'lookup'> } {
  for (const [name, value] of Object.entries({ lookup, resolveSrv })) {
    if (value !== undefined && typeof value !== 'function') throw invalid(name, 'must be a function')
  }
  return {
    ...(lookup !== undefined && { dial: { lookup: listing(lookup as LookupFunction) } }),
    ...(resolveSrv !== undefined && { resolveSrv: resolveSrv as ResolveSrv }),
    ...(natMap !== undefined && { locate: locator(checkNatMap(natMap, clustered)) }),
  }
}

function checkNatMap(natMap: unknown, clustered: boolean): NatMap {
  if (!clustered) throw invalid('natMap', 'must not be given without a cluster')
  if (typeof natMap === 'function') return natMap as NatMap
  if (typeof natMap !== 'object' || natMap === null || Array.isArray(natMap))
    throw invalid('natMap', 'must be an object or a function')
  for (const [announced, target] of Object.entries(natMap)) {
    const { host, port } = (target ?? {}) as { host?: unknown; port?: unknown }
    if (!/^.+:\d+$/.test(announced)) throw invalid(`natMap['${announced}']`, 'must be named host:port')
    if (typeof host !== 'string' || host === '') throw invalid(`natMap['${announced}'].host`, 'must be a host')
    if (!isPort(port)) throw invalid(`natMap['${announced}'].port`, 'must be a port from 1 to 65535')
  }
  return natMap as NatMap
}
