// Strings. Source: redis.io/docs, commands of the group "string".

import { type Answer, Failure, notAnInteger, ok, syntaxError, wrongType } from '../answer.js'
import type { Call, Commands } from '../host.js'
import { fits, parseInteger } from '../integer.js'
import { expiryOf } from './expiry.js'

type Text = { readonly value: string } | null | Failure

function textOf(key: string, { data, now }: Call): Text {
  const entry = data.get(key, now)
  if (entry === undefined) return null
  return entry.type === 'string' ? entry : wrongType
}

function get(key: string, call: Call): Answer {
  const text = textOf(key, call)
  return text === null || text instanceof Failure ? text : text.value
}

interface SetOptions {
  condition: 'NX' | 'XX' | null
  wantsOld: boolean
  keepsExpiry: boolean
  expiry: { unit: string; amount: string } | null
}

const expiryUnits = ['EX', 'PX', 'EXAT', 'PXAT']

function parseSetOptions(words: readonly string[]): SetOptions | null {
  const options: SetOptions = { condition: null, wantsOld: false, keepsExpiry: false, expiry: null }
  for (let i = 2; i < words.length; i++) {
    const word = (words[i] as string).toUpperCase()
    const amount = words[i + 1]
    if ((word === 'NX' || word === 'XX') && (options.condition ?? word) === word) options.condition = word
    else if (word === 'GET') options.wantsOld = true
    else if (word === 'KEEPTTL' && options.expiry === null) options.keepsExpiry = true
    else if (
      expiryUnits.includes(word) &&
      amount !== undefined &&
      (options.expiry?.unit ?? word) === word &&
      !options.keepsExpiry
    ) {
      options.expiry = { unit: word, amount }
      i++
    } else return null
  }
  return options
}

function set(words: readonly string[], call: Call): Answer {
  const [key, value] = words as [string, string]
  const options = parseSetOptions(words)
  if (options === null) return syntaxError
  const { data, now } = call
  const { expiry } = options
  const expiresAt = expiry === null ? null : expiryOf(expiry.amount, expiry.unit, now, 'set')
  if (expiresAt instanceof Failure) return expiresAt
  const before = data.get(key, now)
  if (options.wantsOld && before !== undefined && before.type !== 'string') return wrongType
  const old = options.wantsOld && before?.type === 'string' ? before.value : null
  if (options.condition !== null && (options.condition === 'NX') !== (before === undefined)) return old
  const kept = options.keepsExpiry ? before?.expiresAt : undefined
  data.set(key, { type: 'string', value }, expiresAt ?? kept)
  return options.wantsOld ? old : ok
}

function setFor(name: string, unit: string, key: string, amount: string, value: string, { data, now }: Call): Answer {
  const expiresAt = expiryOf(amount, unit, now, name)
  if (expiresAt instanceof Failure) return expiresAt
  data.set(key, { type: 'string', value }, expiresAt)
  return ok
}

function increment(key: string, by: bigint | null, call: Call): Answer {
  if (by === null) return notAnInteger
  const text = textOf(key, call)
  if (text instanceof Failure) return text
  const before = text === null ? 0n : parseInteger(text.value)
  if (before === null) return notAnInteger
  const value = before + by
  if (!fits(value)) return new Failure('ERR increment or decrement would overflow')
  call.data.set(key, { type: 'string', value: String(value) }, call.data.get(key, call.now)?.expiresAt)
  return value
}

function decrementBy(key: string, amount: string, call: Call): Answer {
  const by = parseInteger(amount)
  if (by !== null && !fits(-by)) return new Failure('ERR decrement would overflow')
  return increment(key, by === null ? null : -by, call)
}

function setMany(words: readonly string[], { data }: Call): void {
  for (let i = 0; i < words.length; i += 2) {
    data.set(words[i] as string, { type: 'string', value: words[i + 1] as string })
  }
}

const oddWords = (name: string) => new Failure(`ERR wrong number of arguments for '${name}' command`)

export const strings: Commands = {
  'GET 2 - 1': ([key], call) => get(key, call),
  'SET -3 w 1': set,
  'SETNX 3 w 1': ([key, value], { data, now }) => {
    if (data.get(key, now) !== undefined) return 0
    data.set(key, { type: 'string', value })
    return 1
  },
  'SETEX 4 w 1': ([key, amount, value], call) => setFor('setex', 'EX', key, amount, value, call),
  'PSETEX 4 w 1': ([key, amount, value], call) => setFor('psetex', 'PX', key, amount, value, call),
  'GETSET 3 w 1': ([key, value], call) => {
    const old = get(key, call)
    if (!(old instanceof Failure)) call.data.set(key, { type: 'string', value })
    return old
  },
  'GETDEL 2 w 1': ([key], call) => {
    const old = get(key, call)
    if (typeof old === 'string') call.data.delete(key)
    return old
  },
  'MGET -2 - 1:-1': (keys, call) => keys.map(key => valueOrNull(get(key, call))),
  'MSET -3 w 1:-1/2': (words, call) => {
    if (words.length % 2 !== 0) return oddWords('mset')
    setMany(words, call)
    return ok
  },
  'MSETNX -3 w 1:-1/2': (words, call) => {
    if (words.length % 2 !== 0) return oddWords('msetnx')
    if (words.some((key, i) => i % 2 === 0 && call.data.get(key, call.now) !== undefined)) return 0
    setMany(words, call)
    return 1
  },
  'INCR 2 w 1': ([key], call) => increment(key, 1n, call),
  'DECR 2 w 1': ([key], call) => increment(key, -1n, call),
  'INCRBY 3 w 1': ([key, amount], call) => increment(key, parseInteger(amount), call),
  'DECRBY 3 w 1': ([key, amount], call) => decrementBy(key, amount, call),
  'APPEND 3 w 1': ([key, more], call) => {
    const text = textOf(key, call)
    if (text instanceof Failure) return text
    const value = (text?.value ?? '') + more
    call.data.set(key, { type: 'string', value }, call.data.get(key, call.now)?.expiresAt)
    return value.length
  },
  'STRLEN 2 - 1': ([key], call) => {
    const text = textOf(key, call)
    return text instanceof Failure ? text : (text?.value.length ?? 0)
  },
}

const valueOrNull = (answer: Answer) => (answer instanceof Failure ? null : answer)
