import { describe, expect, it } from 'vitest'
import { Confirmations } from '../../../src/pubsub/confirmations.js'
import { SubscriptionSet, subscriptionKind } from '../../../src/pubsub/subscription-set.js'

const name = (text: string) => Buffer.from(text)

describe('SubscriptionSet', () => {
  it('holds what has been confirmed, by kind, in its order, bytes that are no text included', () => {
    const set = new SubscriptionSet()
    const odd = Buffer.from([0xff, 0x00, 0x0a])
    for (const channel of [name('b'), odd, name('a'), name('b')]) set.onPush('subscribe', [null, channel, 1])
    set.onPush('psubscribe', [null, name('a'), 1])
    set.onPush('ssubscribe', [null, name('a'), 1])
    expect(set.names('subscribe')).toEqual([name('b'), odd, name('a')])
    expect(set.size).toBe(5)
    set.onPush('unsubscribe', [null, odd, 1])
    set.onPush('sunsubscribe', [null, name('a'), 0])
    set.onPush('message', [null, name('b'), name('text')])
    set.onPush('unsubscribe', [null, null, 0])
    expect(set.names('subscribe')).toEqual([name('b'), name('a')])
    expect([set.count('psubscribe'), set.count('ssubscribe')]).toEqual([1, 0])
    set.clear()
    expect(set.size).toBe(0)
  })

  it('knows the commands by name', () => {
    expect(['subscribe', 'punsubscribe', 'sunsubscribe', 'publish', 'toString'].map(subscriptionKind)).toEqual([
      'subscribe',
      'psubscribe',
      'ssubscribe',
      undefined,
      undefined,
    ])
  })
})

describe('Confirmations', () => {
  it('are one for each name, and leave other pushes alone', () => {
    const confirmations = new Confirmations('subscribe', 2, new SubscriptionSet())
    expect(confirmations.takePush('message', ['message', 'a', 'x'])).toBeNull()
    expect(confirmations.takePush('subscribe', ['subscribe', 'a', 1])).toBe(false)
    expect(confirmations.takePush('sunsubscribe', ['sunsubscribe', 'a', 0])).toBeNull()
    expect(confirmations.takePush('subscribe', ['subscribe', 'b', 2])).toBe(true)
    expect(confirmations.outcome()).toBe(2)
  })

  it('of everything are as many as there are of the kind, or one', () => {
    const set = new SubscriptionSet()
    for (const channel of ['a', 'b']) set.onPush('subscribe', [null, name(channel), 1])
    set.onPush('psubscribe', [null, name('p'), 3])
    const all = new Confirmations('unsubscribe', 0, set)
    expect(all.takePush('unsubscribe', [null, name('a'), 2])).toBe(false)
    expect(all.takePush('unsubscribe', [null, name('b'), 1])).toBe(true)
    expect(all.outcome()).toBe(1)
    const none = new Confirmations('sunsubscribe', 0, set)
    expect(none.takePush('sunsubscribe', [null, null, 0])).toBe(true)
  })

  it('keep nothing that lies in the bytes received', () => {
    const confirmations = new Confirmations('subscribe', 1, new SubscriptionSet())
    const count = Buffer.from('12345')
    expect(confirmations.takePush('subscribe', [null, name('a'), count])).toBe(true)
    count.fill(0)
    expect(String(confirmations.outcome())).toBe('12345')
  })

  it('start over on another connection, and may be one plain reply within a transaction', () => {
    const confirmations = new Confirmations('subscribe', 2, new SubscriptionSet())
    confirmations.takePush('subscribe', [null, name('a'), 1])
    confirmations.reset()
    expect(confirmations.takePush('subscribe', [null, name('a'), 1])).toBe(false)
    expect(confirmations.take('QUEUED')).toBe(true)
    expect(confirmations.outcome()).toBe('QUEUED')
  })
})
