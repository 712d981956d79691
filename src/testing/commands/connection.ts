// Connection commands. Source: redis.io/docs, commands of the groups "connection" and "cluster" (READONLY, READWRITE, ASKING).

import { type Answer, Failure, NullArray, ok, Pairs, Simple, syntaxError, Verbatim } from '../answer.js'
import type { Call, Commands, Host } from '../host.js'
import { parseInteger, parseSmallInteger } from '../integer.js'
import type { Session } from '../session.js'

const badCredentials = new Failure('WRONGPASS invalid username-password pair or user is disabled.')
const noPassword = new Failure(
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
)
const helloNeedsAuth = new Failure(
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
)
const badName = new Failure('ERR Client names cannot contain spaces, newlines or special characters.')

const isName = (name: string) => /^[!-~]*$/.test(name)

function authenticate(username: string, password: string, { host, session }: Call): Answer {
  const { credentials } = host
  const isRight =
    credentials === null
      ? username === 'default'
      : username === credentials.username && password === credentials.password
  if (!isRight) return badCredentials
  session.authenticated = true
  return ok
}

function auth(words: readonly string[], call: Call): Answer {
  const [first, second] = words as [string, string?]
  if (words.length > 2) return syntaxError
  if (second !== undefined) return authenticate(first, second, call)
  return call.host.credentials === null ? noPassword : authenticate('default', first, call)
}

function hello(words: readonly string[], call: Call): Answer {
  const { host, session } = call
  let protocol: number | null = session.protocol
  if (words.length > 0) {
    protocol = parseSmallInteger(words[0] as string)
    if (protocol === null) return new Failure('ERR Protocol version is not an integer or out of range')
    if (protocol !== 2 && protocol !== 3) return new Failure('NOPROTO unsupported protocol version')
  }
  let name: string | null = null
  for (let i = 1; i < words.length; i++) {
    const [option, more] = [(words[i] as string).toUpperCase(), words.length - 1 - i]
    if (option === 'AUTH' && more >= 2) {
      const answer = authenticate(words[i + 1] as string, words[i + 2] as string, call)
      if (answer instanceof Failure) return answer
      i += 2
    } else if (option === 'SETNAME' && more >= 1) {
      name = words[++i] as string
      if (!isName(name)) return badName
    } else return new Failure(`ERR Syntax error in HELLO option '${words[i]}'`)
  }
  if (!session.authenticated) return helloNeedsAuth
  if (name !== null) session.name = name
  session.protocol = protocol as 2 | 3
  return new Pairs([
    ['server', 'redis'],
    ['version', host.version],
    ['proto', session.protocol],
    ['id', session.id],
    ['mode', host.clusterSide === null ? 'standalone' : 'cluster'],
    ['role', host.replication().role === 'primary' ? 'master' : 'replica'],
    ['modules', []],
  ])
}

function select(text: string, { host, session }: Call): Answer {
  const index = parseInteger(text)
  if (index === null) return new Failure('ERR value is not an integer or out of range')
  if (host.clusterSide !== null && index !== 0n) return new Failure('ERR SELECT is not allowed in cluster mode')
  if (index < 0n || index >= BigInt(host.databases)) return new Failure('ERR DB index is out of range')
  session.database = Number(index)
  return ok
}

function clientLine(session: Session): string {
  const now = Date.now()
  const flags =
    (session.isSubscribed ? 'P' : '') +
    (session.queue !== null ? 'x' : '') +
    (session.blocked !== null ? 'b' : '') +
    (session.readsFromReplica ? 'r' : '') +
    (session.noEvict ? 'e' : '')
  const seconds = (since: number) => Math.max(0, Math.floor((now - since) / 1000))
  const fields: [string, string | number][] = [
    ['id', session.id],
    ['addr', session.peer.address],
    ['laddr', session.peer.localAddress],
    ['name', session.name],
    ['age', seconds(session.startedAt)],
    ['idle', seconds(session.lastAt)],
    ['flags', flags === '' ? 'N' : flags],
    ['db', session.database],
    ['sub', session.channels.size],
    ['psub', session.patterns.size],
    ['ssub', session.shardChannels.size],
    ['multi', session.queue?.length ?? -1],
    ['cmd', session.lastCommand],
    ['user', 'default'],
    ['redir', -1],
    ['resp', session.protocol],
    ['lib-name', session.library],
    ['lib-ver', session.libraryVersion],
  ]
  return fields.map(([field, value]) => `${field}=${value}`).join(' ')
}

function list(words: readonly string[], host: Host): Answer {
  let shown = [...host.sessions()]
  if (words[0]?.toUpperCase() === 'ID' && words.length > 1) {
    shown = shown.filter(session => words.slice(1).includes(String(session.id)))
  } else if (words[0]?.toUpperCase() === 'TYPE' && words.length === 2) {
    const wantsSubscribers = words[1]?.toLowerCase() === 'pubsub'
    shown = shown.filter(session => session.isSubscribed === wantsSubscribers)
  } else if (words.length > 0) return syntaxError
  return new Verbatim(shown.map(session => `${clientLine(session)}\n`).join(''))
}

function kill(words: readonly string[], { host, session }: Call): Answer {
  let test: (other: Session) => boolean
  const isOldForm = words.length === 1
  const [kind = '', value] = isOldForm ? ['ADDR', words[0]] : [words[0]?.toUpperCase(), words[1]]
  if (kind === 'ID' && words.length === 2) test = other => String(other.id) === value
  else if (kind === 'ADDR' && words.length <= 2) test = other => other.peer.address === value
  else return syntaxError
  const victims = [...host.sessions()].filter(test)
  for (const victim of victims) {
    if (victim === session) victim.ending = true
    else host.endSession(victim)
  }
  if (!isOldForm) return victims.length
  return victims.length === 0 ? new Failure('ERR No such client') : ok
}

function setInfo(attribute: string, value: string, { session }: Call): Answer {
  const name = attribute.toUpperCase()
  if (name !== 'LIB-NAME' && name !== 'LIB-VER') return new Failure(`ERR Unrecognized option '${attribute}'`)
  if (!isName(value)) {
    return new Failure(`ERR ${attribute.toLowerCase()} cannot contain spaces, newlines or special characters.`)
  }
  if (name === 'LIB-NAME') session.library = value
  else session.libraryVersion = value
  return ok
}

const clusterOnly = (call: Call, act: () => void): Answer => {
  if (call.host.clusterSide === null) return new Failure('ERR This instance has cluster support disabled')
  act()
  return ok
}

export const connection: Commands = {
  'HELLO -1 l': hello,
  'AUTH -2 l': auth,
  'PING -1 p': (words, { session }) => {
    if (words.length > 1) return new Failure("ERR wrong number of arguments for 'ping' command")
    const text = words.length === 0 ? null : words[0]
    if (session.protocol === 2 && session.isSubscribed) return ['pong', text ?? '']
    return text ?? new Simple('PONG')
  },
  'ECHO 2 l': ([text]) => text,
  'SELECT 2 l': ([index], call) => select(index, call),
  'QUIT -1 lpn': (_, { session }) => {
    session.ending = true
    return ok
  },
  'RESET 1 lpn': (_, { host, session }) => {
    session.reset(host.credentials === null)
    return new Simple('RESET')
  },
  'READONLY 1 l': (_, call) =>
    clusterOnly(call, () => {
      call.session.readsFromReplica = true
    }),
  'READWRITE 1 l': (_, call) =>
    clusterOnly(call, () => {
      call.session.readsFromReplica = false
    }),
  'ASKING 1 -': (_, call) =>
    clusterOnly(call, () => {
      call.session.asking = true
    }),
  'CLIENT|ID 2 l': (_, { session }) => session.id,
  'CLIENT|GETNAME 2 l': (_, { session }) => (session.name === '' ? null : session.name),
  'CLIENT|SETNAME 3 l': ([name], { session }) => {
    if (!isName(name)) return badName
    session.name = name
    return ok
  },
  'CLIENT|SETINFO 4 l': ([attribute, value], call) => setInfo(attribute, value, call),
  'CLIENT|INFO 2 l': (_, { session }) => new Verbatim(`${clientLine(session)}\n`),
  'CLIENT|LIST -2 l': (words, { host }) => list(words, host),
  'CLIENT|KILL -3 l': kill,
  'CLIENT|NO-EVICT 3 l': ([mode], { session }) => {
    const word = mode.toUpperCase()
    if (word !== 'ON' && word !== 'OFF') return syntaxError
    session.noEvict = word === 'ON'
    return ok
  },
  'CLIENT|UNBLOCK -3 l': ([id], { host }) => {
    const blocked = [...host.sessions()].find(session => String(session.id) === id)
    if (blocked?.blocked == null) return 0
    blocked.blocked.cancel()
    blocked.blocked = null
    blocked.send(NullArray.only)
    return 1
  },
}
