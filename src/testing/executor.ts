// Executor: what a server does with a command, from its words to its answer: look it up, refuse it, queue it or run it.
//
// Source for the order of the tests: redis.io/docs, "Redis Cluster specification" and "Transactions"; compared with redis-server 7.0 by tests.

import { type Answer, Failure, NullArray, Simple } from './answer.js'
import { type CommandSpec, keysOf } from './command-spec.js'
import { commandNamed, execSpec, isContainer, type Known } from './command-table.js'
import type { Call, Host, Keyed, Words } from './host.js'
import type { Session } from './session.js'
import { textOfBytes } from './wire.js'

const noAuth = new Failure('NOAUTH Authentication required.')
const loading = new Failure('LOADING Redis is loading the dataset in memory')
const readOnly = new Failure("READONLY You can't write against a read only replica.")
const execAbort = new Failure('EXECABORT Transaction discarded because of previous errors.')
const queued = new Simple('QUEUED')

const withoutAuth = ['auth', 'hello', 'quit', 'reset']

/** Runs one command of a session. */
export function execute(host: Host, session: Session, words: readonly string[]): Answer {
  const found = lookUp(host, words)
  const name = found instanceof Failure ? '' : found.spec.name
  if (name !== '') session.lastCommand = name
  session.lastAt = Date.now()
  const answer = found instanceof Failure ? refuse(session, found) : dispatch(host, session, found, words)
  // ASKING is for one command, or for one transaction.
  if (session.queue === null && name !== 'asking') session.asking = false
  host.keyspace(session.database).serveWaiters(session.lastAt)
  return answer
}

function lookUp(host: Host, words: readonly string[]): Known | Failure {
  const name = (words[0] as string).toLowerCase()
  let found = name === 'exec' ? exec : commandNamed(name)
  if (isContainer(name)) {
    if (words.length < 2) return wrongArity(name)
    found = commandNamed(`${name}|${(words[1] as string).toLowerCase()}`)
    if (found === undefined) {
      return new Failure(`ERR unknown subcommand '${lineOf(words[1])}'. Try ${name.toUpperCase()} HELP.`)
    }
  }
  if (found === undefined || (name === 'hello' && host.maxProtocol === 2)) return unknown(words)
  const { arity } = found.spec
  if (arity > 0 ? words.length !== arity : words.length < -arity) return wrongArity(found.spec.name)
  return found
}

/** At most 128 characters that cannot end the line of an error. */
const lineOf = (word = '') => word.slice(0, 128).replace(/[\r\n]/g, ' ')

function unknown(words: readonly string[]): Failure {
  const args = words.slice(1, 21).map(word => `'${lineOf(word)}' `)
  const said = `ERR unknown command '${lineOf(words[0])}', with args beginning with: ${args.join('')}`
  return new Failure(`${said}(this is a fake server of slotwise/testing)`)
}

const wrongArity = (name: string) => new Failure(`ERR wrong number of arguments for '${name}' command`)

/** A command that cannot be queued spoils the transaction. */
function refuse(session: Session, failure: Failure): Failure {
  if (session.queue !== null) session.queueFailed = true
  return failure
}

function dispatch(host: Host, session: Session, known: Known, words: readonly string[]): Answer {
  const { spec } = known
  if (!session.authenticated && !withoutAuth.includes(spec.name)) return refuse(session, noAuth)
  const redirect = refusedByCluster(host, session, spec, words)
  if (redirect !== null) {
    if (spec !== execSpec) return refuse(session, redirect)
    session.endTransaction()
    return redirect
  }
  if (spec.writes && host.replication().role === 'replica') return refuse(session, readOnly)
  if (session.protocol === 2 && session.isSubscribed && !spec.whileSubscribed) {
    return refuse(
      session,
      new Failure(
        `ERR Can't execute '${spec.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
      ),
    )
  }
  if (host.isLoading && !spec.whileLoading) return refuse(session, loading)
  if (session.queue !== null && !spec.neverQueued) {
    session.queue.push({ spec, words })
    return queued
  }
  return known.run(words.slice(spec.name.includes('|') ? 2 : 1) as unknown as Words, callOf(host, session, false))
}

function refusedByCluster(host: Host, session: Session, spec: CommandSpec, words: readonly string[]): Failure | null {
  const side = host.clusterSide
  if (side === null) return null
  if (spec !== execSpec) {
    const keys = keysOf(spec, words)
    return keys.length === 0 ? null : side.refusal(session, [{ spec, keys }])
  }
  const all: Keyed[] = (session.queue ?? []).map(each => ({ spec: each.spec, keys: keysOf(each.spec, each.words) }))
  return side.refusal(session, all)
}

const callOf = (host: Host, session: Session, inTransaction: boolean): Call => ({
  host,
  session,
  data: host.keyspace(session.database),
  now: Date.now(),
  inTransaction,
})

const exec: Known = {
  spec: execSpec,
  run: (_, { host, session, now }) => {
    const { queue } = session
    if (queue === null) return new Failure('ERR EXEC without MULTI')
    if (session.queueFailed) {
      session.endTransaction()
      return execAbort
    }
    const isDisturbed = session.isDisturbed(now)
    session.endTransaction()
    if (isDisturbed) return NullArray.only
    return queue.map(({ spec, words }) => {
      const { run } = commandNamed(spec.name) as Known
      const call = { ...callOf(host, session, true), now }
      return run(words.slice(spec.name.includes('|') ? 2 : 1) as unknown as Words, call)
    })
  },
}

/** The words of a command as a program reads them: text, with the name in upper case. */
export function readable(words: readonly string[]): string[] {
  const [name = '', ...args] = words
  return [textOfBytes(name).toUpperCase(), ...args.map(textOfBytes)]
}
