// SentinelChoice: what sentinels answer, and which server to take of it. Pure.
// Source: "High availability with Redis Sentinel", "Sentinel API".

import { locator, tcpEndpoint } from '../core.js'
import type { AddressFromResponse, NatMap, PreferredSlaves } from './sentinel-options.js'

export interface ServerAddress {
  host: string
  port: number
}

/** Rows of SENTINEL SLAVES or SENTINEL SENTINELS, each `[name, value, …]`, as objects. */
export function readRows(reply: unknown): (AddressFromResponse & Record<string, string>)[] {
  if (!Array.isArray(reply)) return []
  return reply.map((row: unknown) => {
    const fields: Record<string, string> = {}
    if (Array.isArray(row)) for (let i = 0; i + 1 < row.length; i += 2) fields[String(row[i])] = String(row[i + 1])
    return fields as AddressFromResponse & Record<string, string>
  })
}

/** Replicas that can be used. */
export function usable(replicas: readonly AddressFromResponse[]): AddressFromResponse[] {
  return replicas.filter(
    ({ flags }) => flags !== undefined && flags !== '' && !/disconnected|s_down|o_down/.test(flags),
  )
}

/** Sentinels that are connected to the one that was asked. */
export function connected(sentinels: readonly AddressFromResponse[]): AddressFromResponse[] {
  return sentinels.filter(({ flags = '', ip, port }) => !flags.split(',').includes('disconnected') && ip && port)
}

/** The replica that is preferred, or any; null when there is none. */
export function choose(replicas: AddressFromResponse[], preferred: PreferredSlaves | undefined): ServerAddress | null {
  if (replicas.length === 0) return null
  const chosen = preferredOf(replicas, preferred) ?? replicas[Math.floor(Math.random() * replicas.length)]
  return chosen === undefined ? null : toAddress(chosen)
}

function preferredOf(
  replicas: AddressFromResponse[],
  preferred: PreferredSlaves | undefined,
): AddressFromResponse | null | undefined {
  if (typeof preferred === 'function') return preferred(replicas)
  if (typeof preferred !== 'object' || preferred === null) return null
  const byPriority = (Array.isArray(preferred) ? [...preferred] : [preferred]).sort(
    (a, b) => (a.prio ?? 1) - (b.prio ?? 1),
  )
  for (const { ip, port } of byPriority) {
    const found = replicas.find(replica => replica.ip === ip && replica.port === port)
    if (found !== undefined) return found
  }
  return null
}

export function toAddress({ ip, port }: AddressFromResponse): ServerAddress {
  return { host: ip, port: Number(port) }
}

/** Where a server is reached that announces itself under this address. */
export function mapped(address: ServerAddress, natMap: NatMap | null | undefined): ServerAddress {
  if (!natMap) return address
  const { host, port } = locator(natMap)(tcpEndpoint(address.host, address.port))
  return { host, port }
}
