// Hashes. Source: redis.io/docs, commands of the group "hash".

import { type Answer, Failure, notAnInteger, ok, Pairs, wrongType } from '../answer.js'
import type { Call, Commands } from '../host.js'
import { fits, parseInteger } from '../integer.js'

const none: ReadonlyMap<string, string> = new Map()

function read(key: string, { data, now }: Call, answer: (hash: ReadonlyMap<string, string>) => Answer): Answer {
  const entry = data.get(key, now)
  if (entry === undefined) return answer(none)
  return entry.type === 'hash' ? answer(entry.value) : wrongType
}

/** Changes a hash, which is made where there is none and goes when it is empty. */
function change(key: string, { data, now }: Call, answer: (hash: Map<string, string>) => Answer): Answer {
  const entry = data.get(key, now)
  if (entry !== undefined && entry.type !== 'hash') return wrongType
  const hash = entry?.value ?? new Map<string, string>()
  const sizeBefore = hash.size
  const result = answer(hash)
  if (result instanceof Failure) return result
  if (hash.size === 0) data.delete(key)
  else if (entry === undefined) data.set(key, { type: 'hash', value: hash })
  else if (hash.size !== sizeBefore || result !== 0) data.touch(key)
  return result
}

function setFields(name: string, words: readonly string[], call: Call): Answer {
  if (words.length % 2 === 0) return new Failure(`ERR wrong number of arguments for '${name}' command`)
  return change(words[0] as string, call, hash => {
    const before = hash.size
    for (let i = 1; i < words.length; i += 2) hash.set(words[i] as string, words[i + 1] as string)
    if (name === 'hset') {
      call.data.touch(words[0] as string)
      return hash.size - before
    }
    return ok
  })
}

function incrementField(key: string, field: string, amount: string, call: Call): Answer {
  const by = parseInteger(amount)
  if (by === null) return notAnInteger
  return change(key, call, hash => {
    const text = hash.get(field)
    const before = text === undefined ? 0n : parseInteger(text)
    if (before === null) return new Failure('ERR hash value is not an integer')
    const value = before + by
    if (!fits(value)) return new Failure('ERR increment or decrement would overflow')
    hash.set(field, String(value))
    call.data.touch(key)
    return value
  })
}

export const hashes: Commands = {
  'HSET -4 w 1': (words, call) => setFields('hset', words, call),
  'HMSET -4 w 1': (words, call) => setFields('hmset', words, call),
  'HSETNX 4 w 1': ([key, field, value], call) =>
    change(key, call, hash => {
      if (hash.has(field)) return 0
      hash.set(field, value)
      return 1
    }),
  'HGET 3 - 1': ([key, field], call) => read(key, call, hash => hash.get(field) ?? null),
  'HMGET -3 - 1': ([key, ...fields], call) => read(key, call, hash => fields.map(field => hash.get(field) ?? null)),
  'HGETALL 2 - 1': ([key], call) => read(key, call, hash => new Pairs([...hash])),
  'HKEYS 2 - 1': ([key], call) => read(key, call, hash => [...hash.keys()]),
  'HVALS 2 - 1': ([key], call) => read(key, call, hash => [...hash.values()]),
  'HLEN 2 - 1': ([key], call) => read(key, call, hash => hash.size),
  'HEXISTS 3 - 1': ([key, field], call) => read(key, call, hash => (hash.has(field) ? 1 : 0)),
  'HDEL -3 w 1': ([key, ...fields], call) =>
    change(key, call, hash => fields.filter(field => hash.delete(field)).length),
  'HINCRBY 4 w 1': ([key, field, amount], call) => incrementField(key, field, amount, call),
}
