import { describe, expect, it } from 'vitest'
import { TransactionReplies } from '../../../src/batch/transaction.js'
import { replyError } from '../../../src/errors.js'
import type { Reply } from '../../../src/resp/decoder.js'

const parts = ['multi', 'set', 'get', 'exec'].map(name => ({ head: `$${name.length}\r\n${name}\r\n`, args: [] }))
function taken(replies: Reply[], clustered = true): TransactionReplies {
  const transaction = new TransactionReplies(parts, clustered)
  const last = replies.map(reply => transaction.take(reply))
  expect(last).toEqual([false, false, false, true])
  return transaction
}
const abort = replyError('EXECABORT Transaction discarded because of previous errors.')

describe('TransactionReplies', () => {
  it('are one for each part', () => {
    const replies: Reply[] = ['OK', 'QUEUED', 'QUEUED', ['OK', 'v']]
    expect(taken(replies).outcome()).toEqual(replies)
  })

  it.each(['MOVED 1 h:1', 'ASK 1 h:1', 'TRYAGAIN x', 'CLUSTERDOWN x', 'LOADING x', 'READONLY x'])(
    'are the one error of a node that has run nothing: %s',
    text => {
      const error = replyError(text)
      expect(taken(['OK', error, 'QUEUED', abort]).outcome()).toBe(error)
      expect(taken(['OK', 'QUEUED', 'QUEUED', error]).outcome()).toBe(error)
    },
  )

  it('stay as they are where the caller is at fault, where EXEC has run, and without a cluster', () => {
    const wrong = replyError('ERR wrong number of arguments')
    expect(taken(['OK', wrong, 'QUEUED', abort]).outcome()).toEqual(['OK', wrong, 'QUEUED', abort])
    const moved = replyError('MOVED 1 h:1')
    expect(taken(['OK', 'QUEUED', 'QUEUED', ['OK', moved]]).outcome()).toHaveLength(4)
    expect(taken(['OK', moved, 'QUEUED', abort], false).outcome()).toHaveLength(4)
  })

  it('know whether any has come, and forget', () => {
    const transaction = new TransactionReplies(parts, true)
    expect(transaction.started).toBe(false)
    transaction.take('OK')
    expect(transaction.started).toBe(true)
    transaction.reset()
    expect(transaction.started).toBe(false)
    expect(transaction.takePush()).toBeNull()
  })
})
