// Lists, the blocking commands among them. Source: redis.io/docs, commands of the group "list".

import { type Answer, Failure, NullArray, notAnInteger, Several, wrongType } from '../answer.js'
import type { Call, Commands } from '../host.js'
import { parseInteger, parseSmallInteger } from '../integer.js'
import type { Waiter } from '../keyspace.js'

type Side = 'left' | 'right'

function read(key: string, { data, now }: Call, answer: (list: readonly string[]) => Answer): Answer {
  const entry = data.get(key, now)
  if (entry === undefined) return answer([])
  return entry.type === 'list' ? answer(entry.value) : wrongType
}

function push(key: string, elements: readonly string[], side: Side, onlyExisting: boolean, call: Call): Answer {
  const { data, now } = call
  const entry = data.get(key, now)
  if (entry !== undefined && entry.type !== 'list') return wrongType
  if (entry === undefined && onlyExisting) return 0
  const list = entry?.value ?? []
  if (side === 'right') list.push(...elements)
  else list.unshift(...elements.toReversed())
  if (entry === undefined) data.set(key, { type: 'list', value: list })
  else data.touch(key)
  data.noteGrown(key)
  return list.length
}

function pop(words: readonly string[], side: Side, { data, now }: Call): Answer {
  const [key, countText] = words as [string, string?]
  if (words.length > 2) return new Failure(`ERR wrong number of arguments for '${side[0]}pop' command`)
  const count = countText === undefined ? null : parseSmallInteger(countText)
  if (countText !== undefined && (count === null || count < 0)) {
    return new Failure('ERR value is out of range, must be positive')
  }
  const entry = data.get(key, now)
  if (entry === undefined) return count === null ? null : NullArray.only
  if (entry.type !== 'list') return wrongType
  if (count === null) return data.pop(key, side, now) ?? null
  const taken: string[] = []
  while (taken.length < count) {
    const element = data.pop(key, side, now)
    if (element === undefined) break
    taken.push(element)
  }
  return taken
}

function range(key: string, firstText: string, lastText: string, call: Call): Answer {
  const [first, last] = [parseInteger(firstText), parseInteger(lastText)]
  if (first === null || last === null) return notAnInteger
  return read(key, call, list => {
    const from = Number(first) < 0 ? Math.max(0, list.length + Number(first)) : Number(first)
    const to = Number(last) < 0 ? list.length + Number(last) : Number(last)
    return from > to ? [] : list.slice(from, to + 1)
  })
}

/** Seconds of a timeout in milliseconds, as the server reads them; 0 waits for ever. */
function timeoutMs(text: string): number | Failure {
  const seconds = /^\s|^$/.test(text) ? Number.NaN : Number(text)
  if (Number.isNaN(seconds)) return new Failure('ERR timeout is not a float or out of range')
  return seconds < 0 ? new Failure('ERR timeout is negative') : Math.ceil(seconds * 1000)
}

function blockingPop(words: readonly string[], side: Side, call: Call): Answer {
  const { data, now, session } = call
  const keys = words.slice(0, -1)
  const limitMs = timeoutMs(words.at(-1) as string)
  if (limitMs instanceof Failure) return limitMs
  for (const key of keys) {
    const entry = data.get(key, now)
    if (entry === undefined) continue
    if (entry.type !== 'list') return wrongType
    return [key, data.pop(key, side, now) as string]
  }
  if (call.inTransaction) return NullArray.only
  let timer: NodeJS.Timeout | null = null
  const finish = (answer: Answer) => {
    if (timer !== null) clearTimeout(timer)
    session.blocked = null
    session.send(answer)
  }
  const waiter: Waiter = { keys, side, onElement: (key, element) => finish([key, element]) }
  const cancel = () => {
    if (timer !== null) clearTimeout(timer)
    data.stopWaiting(waiter)
  }
  session.blocked = { waiter, cancel }
  data.wait(waiter)
  if (limitMs > 0) {
    timer = setTimeout(() => {
      data.stopWaiting(waiter)
      finish(NullArray.only)
    }, limitMs)
  }
  return new Several([])
}

export const lists: Commands = {
  'LPUSH -3 w 1': ([key, ...elements], call) => push(key, elements, 'left', false, call),
  'RPUSH -3 w 1': ([key, ...elements], call) => push(key, elements, 'right', false, call),
  'LPUSHX -3 w 1': ([key, ...elements], call) => push(key, elements, 'left', true, call),
  'RPUSHX -3 w 1': ([key, ...elements], call) => push(key, elements, 'right', true, call),
  'LPOP -2 w 1': (words, call) => pop(words, 'left', call),
  'RPOP -2 w 1': (words, call) => pop(words, 'right', call),
  'LRANGE 4 - 1': ([key, first, last], call) => range(key, first, last, call),
  'LLEN 2 - 1': ([key], call) => read(key, call, list => list.length),
  'LINDEX 3 - 1': ([key, text], call) => {
    const index = parseSmallInteger(text)
    if (call.data.get(key, call.now) === undefined) return null
    return read(key, call, list => (index === null ? notAnInteger : (list.at(index) ?? null)))
  },
  'BLPOP -3 w 1:-2': (words, call) => blockingPop(words, 'left', call),
  'BRPOP -3 w 1:-2': (words, call) => blockingPop(words, 'right', call),
}
