// Publishing and subscribing. Source: redis.io/docs, commands of the group "pubsub".

import { type Answer, Push, Several } from '../answer.js'
import { globToRegExp } from '../glob.js'
import type { Call, Commands } from '../host.js'
import type { Session } from '../session.js'

type Kind = 'channel' | 'pattern' | 'shard'

const words = {
  channel: ['subscribe', 'unsubscribe'],
  pattern: ['psubscribe', 'punsubscribe'],
  shard: ['ssubscribe', 'sunsubscribe'],
} as const

const heldBy = (session: Session, kind: Kind): { delete(name: string): boolean; keys(): Iterable<string> } =>
  kind === 'channel' ? session.channels : kind === 'pattern' ? session.patterns : session.shardChannels

const countOf = (session: Session, kind: Kind) =>
  kind === 'shard' ? session.shardChannels.size : session.subscriptions

function subscribe(kind: Kind, names: readonly string[], { session }: Call): Answer {
  const replies = names.map(name => {
    if (kind === 'channel') session.channels.add(name)
    else if (kind === 'pattern') session.patterns.set(name, globToRegExp(name))
    else session.shardChannels.add(name)
    return new Push([words[kind][0], name, countOf(session, kind)])
  })
  return new Several(replies)
}

function unsubscribe(kind: Kind, names: readonly string[], { session }: Call): Answer {
  const held = heldBy(session, kind)
  const left = names.length === 0 ? [...held.keys()] : names
  if (left.length === 0) return new Push([words[kind][1], null, countOf(session, kind)])
  const replies = left.map(name => {
    held.delete(name)
    return new Push([words[kind][1], name, countOf(session, kind)])
  })
  return new Several(replies)
}

/** How many connections have each of the names. */
function counts(call: Call, of: (session: Session) => Iterable<string>): Map<string, number> {
  const found = new Map<string, number>()
  for (const session of call.host.sessions()) {
    for (const name of of(session)) found.set(name, (found.get(name) ?? 0) + 1)
  }
  return found
}

function names(pattern: string | undefined, call: Call, of: (session: Session) => Iterable<string>): Answer {
  const test = pattern === undefined ? null : globToRegExp(pattern)
  return [...counts(call, of).keys()].filter(name => test === null || test.test(name))
}

const numbers = (asked: readonly string[], found: Map<string, number>): Answer =>
  asked.flatMap(name => [name, found.get(name) ?? 0])

export const pubsub: Commands = {
  'SUBSCRIBE -2 lp': (channels, call) => subscribe('channel', channels, call),
  'PSUBSCRIBE -2 lp': (patterns, call) => subscribe('pattern', patterns, call),
  'SSUBSCRIBE -2 lps 1:-1': (channels, call) => subscribe('shard', channels, call),
  'UNSUBSCRIBE -1 lp': (channels, call) => unsubscribe('channel', channels, call),
  'PUNSUBSCRIBE -1 lp': (patterns, call) => unsubscribe('pattern', patterns, call),
  'SUNSUBSCRIBE -1 lps 1:-1': (channels, call) => unsubscribe('shard', channels, call),
  'PUBLISH 3 l': ([channel, message], { host }) => host.publish(channel, message),
  'SPUBLISH 3 ls 1': ([channel, message], { host }) => host.publishToShard(channel, message),
  'PUBSUB|CHANNELS -2 l': (asked, call) => names(asked[0] as string | undefined, call, session => session.channels),
  'PUBSUB|SHARDCHANNELS -2 l': (asked, call) =>
    names(asked[0] as string | undefined, call, session => session.shardChannels),
  'PUBSUB|NUMSUB -2 l': (asked, call) =>
    numbers(
      asked,
      counts(call, session => session.channels),
    ),
  'PUBSUB|SHARDNUMSUB -2 l': (asked, call) =>
    numbers(
      asked,
      counts(call, session => session.shardChannels),
    ),
  'PUBSUB|NUMPAT 2 l': (_, call) => counts(call, session => session.patterns.keys()).size,
}

/** Sends a message to those sessions that are subscribed; gives how many times it was sent. */
export function deliver(sessions: Iterable<Session>, channel: string, message: string): number {
  let count = 0
  for (const session of sessions) {
    if (session.channels.has(channel)) {
      session.send(new Push(['message', channel, message]))
      count++
    }
    for (const [pattern, test] of session.patterns) {
      if (!test.test(channel)) continue
      session.send(new Push(['pmessage', pattern, channel, message]))
      count++
    }
  }
  return count
}

/** The same for a shard channel. */
export function deliverToShard(sessions: Iterable<Session>, channel: string, message: string): number {
  let count = 0
  for (const session of sessions) {
    if (!session.shardChannels.has(channel)) continue
    session.send(new Push(['smessage', channel, message]))
    count++
  }
  return count
}
