// Deep path of ioredis, kept for those who import it: names of nodes, and SRV records.

import { isIP } from 'node:net'
import type { Redis } from '../../index.js'
import { startupNodeOptions } from '../../ioredis/cluster-options.js'
import { CONNECTION_CLOSED_ERROR_MSG } from '../../ioredis/errors.js'

interface NodeAddress {
  host?: string
  port?: number
}

interface WeightedRecords<Record> {
  totalWeight: number
  records: Record[]
}

/** `host:port`; what is missing is filled in. */
export function getNodeKey(node: NodeAddress): string {
  node.port ||= 6379
  node.host ||= '127.0.0.1'
  return `${node.host}:${node.port}`
}

/** @throws Error where there is no port */
export function nodeKeyToRedisOptions(key: string): { host: string; port: number } {
  const colon = key.lastIndexOf(':')
  if (colon === -1) throw new Error(`Invalid node key ${key}`)
  return { host: key.slice(0, colon), port: Number(key.slice(colon + 1)) }
}

export const normalizeNodeOptions = startupNodeOptions

/** Hosts that are names, each once. */
export function getUniqueHostnamesFromOptions(nodes: readonly NodeAddress[]): string[] {
  return [...new Set(nodes.map(({ host }) => host ?? ''))].filter(host => isIP(host) === 0)
}

/** Resolves once the client is ready. */
export async function waitForRedisReady(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return
  if (redis.status === 'wait') return redis.connect()
  if (redis.status === 'end') throw new Error(CONNECTION_CLOSED_ERROR_MSG)
  await new Promise<void>((resolve, reject) => {
    redis.once('ready', resolve)
    redis.once('end', () => reject(new Error(CONNECTION_CLOSED_ERROR_MSG)))
  })
}

/** SRV records by priority. */
export function groupSrvRecords<Record extends { priority: number; weight: number }>(
  records: readonly Record[],
): { [priority: number]: WeightedRecords<Record> } {
  const groups: { [priority: number]: WeightedRecords<Record> } = {}
  for (const record of records) {
    const group = (groups[record.priority] ??= { totalWeight: 0, records: [] })
    group.totalWeight += record.weight
    group.records.push(record)
  }
  return groups
}

/** Takes a record out of the group, heavier ones more often; those without weight have their chance, too. */
export function weightSrvRecords<Record extends { weight: number }>(
  group: WeightedRecords<Record>,
): Record | undefined {
  let left = Math.random() * (group.totalWeight + group.records.length)
  let index = group.records.findIndex(record => (left -= record.weight + 1) < 0)
  if (index === -1) index = group.records.length - 1
  const [record] = group.records.splice(index, 1)
  if (record !== undefined) group.totalWeight -= record.weight
  return record
}

/** Name of a connection that the cluster client opens for itself. */
export function getConnectionName(component: string, nodeConnectionName?: string): string {
  const name = `ioredis-cluster(${component})`
  return nodeConnectionName ? `${name}:${nodeConnectionName}` : name
}
