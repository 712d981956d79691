// Sets. Source: redis.io/docs, commands of the group "set".

import { type Answer, Members, wrongType } from '../answer.js'
import type { Call, Commands } from '../host.js'

const none: ReadonlySet<string> = new Set()

function read(key: string, { data, now }: Call, answer: (set: ReadonlySet<string>) => Answer): Answer {
  const entry = data.get(key, now)
  if (entry === undefined) return answer(none)
  return entry.type === 'set' ? answer(entry.value) : wrongType
}

/** Adds or removes; gives how many members that concerned. */
function change(key: string, { data, now }: Call, members: readonly string[], adds: boolean): Answer {
  const entry = data.get(key, now)
  if (entry !== undefined && entry.type !== 'set') return wrongType
  const set = entry?.value ?? new Set<string>()
  const before = set.size
  for (const member of members) {
    if (adds) set.add(member)
    else set.delete(member)
  }
  if (set.size === before) return 0
  if (set.size === 0) data.delete(key)
  else if (entry === undefined) data.set(key, { type: 'set', value: set })
  else data.touch(key)
  return Math.abs(set.size - before)
}

export const sets: Commands = {
  'SADD -3 w 1': ([key, ...members], call) => change(key, call, members, true),
  'SREM -3 w 1': ([key, ...members], call) => change(key, call, members, false),
  'SMEMBERS 2 - 1': ([key], call) => read(key, call, set => new Members([...set])),
  'SISMEMBER 3 - 1': ([key, member], call) => read(key, call, set => (set.has(member) ? 1 : 0)),
  'SCARD 2 - 1': ([key], call) => read(key, call, set => set.size),
}
