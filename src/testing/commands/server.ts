// What a server tells about itself. Source: redis.io/docs, commands of the groups "server" and "generic" (WAIT).

import { type Answer, Failure, Verbatim } from '../answer.js'
import type { Call, Commands, Host } from '../host.js'
import { parseInteger } from '../integer.js'

const waitOnReplica = new Failure(
  'ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.',
)

const sections: Record<string, (host: Host) => string[]> = {
  Server: host => [
    `redis_version:${host.version}`,
    `redis_mode:${host.clusterSide === null ? 'standalone' : 'cluster'}`,
    `process_id:${process.pid}`,
    `tcp_port:${host.port}`,
  ],
  Clients: host => {
    const sessions = [...host.sessions()]
    return [
      `connected_clients:${sessions.length}`,
      `blocked_clients:${sessions.filter(session => session.blocked !== null).length}`,
    ]
  },
  Persistence: host => [`loading:${host.isLoading ? 1 : 0}`],
  Replication: host => {
    const replication = host.replication()
    if (replication.role === 'primary') {
      const { replicas } = replication
      const lines = replicas.map(
        (replica, i) => `slave${i}:ip=${replica.host},port=${replica.port},state=online,offset=0,lag=0`,
      )
      return ['role:master', `connected_slaves:${replicas.length}`, ...lines]
    }
    return [
      'role:slave',
      `master_host:${replication.host}`,
      `master_port:${replication.port}`,
      `master_link_status:${replication.isLinked ? 'up' : 'down'}`,
      'master_sync_in_progress:0',
      'slave_read_only:1',
      'connected_slaves:0',
    ]
  },
  Cluster: host => [`cluster_enabled:${host.clusterSide === null ? 0 : 1}`],
  Keyspace: host => {
    const lines: string[] = []
    for (let i = 0; i < host.databases; i++) {
      const { size } = host.keyspace(i)
      if (size > 0) lines.push(`db${i}:keys=${size},expires=0,avg_ttl=0`)
    }
    return lines
  },
}

function info(asked: readonly string[], host: Host): Answer {
  const wanted = asked.map(name => name.toLowerCase())
  const hasAll = wanted.length === 0 || wanted.some(name => ['all', 'default', 'everything'].includes(name))
  const shown = Object.entries(sections).filter(([name]) => hasAll || wanted.includes(name.toLowerCase()))
  return new Verbatim(shown.map(([name, lines]) => [`# ${name}`, ...lines(host), ''].join('\r\n')).join('\r\n'))
}

function role(host: Host): Answer {
  const replication = host.replication()
  if (replication.role === 'primary') {
    return ['master', 0, replication.replicas.map(replica => [replica.host, String(replica.port), '0'])]
  }
  const { host: primaryHost, port, isLinked } = replication
  return ['slave', primaryHost, port, isLinked ? 'connected' : 'connect', isLinked ? 0 : -1]
}

function wait(countText: string, timeoutText: string, { host }: Call): Answer {
  const replication = host.replication()
  if (replication.role === 'replica') return waitOnReplica
  if (parseInteger(countText) === null) return new Failure('ERR value is not an integer or out of range')
  const timeout = parseInteger(timeoutText)
  if (timeout === null) return new Failure('ERR timeout is not an integer or out of range')
  if (timeout < 0n) return new Failure('ERR timeout is negative')
  // What replicas hold, they hold at once.
  return replication.replicas.length
}

export const server: Commands = {
  'INFO -1 l': (words, { host }) => info(words, host),
  'ROLE 1 l': (_, { host }) => role(host),
  'TIME 1 l': (_, { now }) => [String(Math.floor(now / 1000)), String(Math.floor((now % 1000) * 1000))],
  'WAIT 3 -': ([count, timeout], call) => wait(count, timeout, call),
}
