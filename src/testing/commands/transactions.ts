// MULTI and what belongs to it; EXEC itself is the executor's. Source: redis.io/docs, commands of the group "transactions".

import { Failure, ok } from '../answer.js'
import type { Commands } from '../host.js'

export const transactions: Commands = {
  'MULTI 1 ln': (_, { session }) => {
    if (session.queue !== null) return new Failure('ERR MULTI calls can not be nested')
    session.queue = []
    return ok
  },
  'DISCARD 1 ln': (_, { session }) => {
    if (session.queue === null) return new Failure('ERR DISCARD without MULTI')
    session.endTransaction()
    return ok
  },
  'WATCH -2 ln 1:-1': (keys, { session, data, now }) => {
    if (session.queue !== null) return new Failure('ERR WATCH inside MULTI is not allowed')
    for (const key of keys) session.watch(data, key, now)
    return ok
  },
  'UNWATCH 1 l': (_, { session }) => {
    session.unwatch()
    return ok
  },
}
