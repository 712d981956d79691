import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tcpEndpoint } from '../../../src/connection/endpoint.js'
import { type Claims, type Epochs, join, parseEpochs } from '../../../src/topology/epochs.js'
import { judge, type ViewAnswer } from '../../../src/topology/verdict.js'
import { buildView, sameView, type View, type ViewShard } from '../../../src/topology/view.js'

const shards = new Map<string, ViewShard>()

function shard(id: string): ViewShard {
  const known = shards.get(id) ?? { primary: { endpoint: tcpEndpoint(id, 7000), id }, replicas: [] }
  shards.set(id, known)
  return known
}

/** `a:0-99 b:100-16383` */
function viewOf(text: string): View {
  const ranges = text.split(' ').map(part => {
    const [, id, first, last] = /^(\w+):(\d+)-(\d+)$/.exec(part) as unknown as [string, string, string, string]
    return { first: Number(first), last: Number(last), shard: shard(id) }
  })
  return buildView(ranges)
}

function ownerOf({ shards, ranges }: View, slot: number): string | null {
  for (let i = 0; i < ranges.length; i += 3) {
    if ((ranges[i] as number) <= slot && slot <= (ranges[i + 1] as number))
      return shards[ranges[i + 2] as number]?.primary.id ?? null
  }
  return null
}

const epochsOf = (epochs: Record<string, number>): Epochs => new Map(Object.entries(epochs))
const claims = (text: string, epochs: Record<string, number>): Claims => ({
  view: viewOf(text),
  epochs: epochsOf(epochs),
})

describe('parseEpochs()', () => {
  const text = [
    '07c3 127.0.0.1:30004@31004,host1 slave e7d1 0 1426238317239 4 connected',
    '67ed 127.0.0.1:30002@31002 master - 0 1426238316232 12 connected 5461-10922 [93-<-292f]',
    'e7d1 127.0.0.1:30001@31001 myself,master - 0 0 1 connected',
    '',
  ].join('\n')

  it('reads the epoch of every node', () => {
    expect([...(parseEpochs(text) as Epochs)]).toEqual([
      ['07c3', 4],
      ['67ed', 12],
      ['e7d1', 1],
    ])
  })

  it.each([
    ['', null],
    ['ERR unknown', null],
    ['a b c d e f g h', null],
    [`${text}x y\n`, null],
    [42, null],
    [null, null],
  ])('finds none in %j', (reply, expected) => {
    expect(parseEpochs(reply)).toBe(expected)
  })
})

describe('join()', () => {
  it('takes the answer as it is where nothing we hold is newer', () => {
    const held = claims('a:0-8191 b:8192-16383', { a: 1, b: 2 })
    const answer = claims('a:0-8191 r:8192-16383', { a: 1, b: 2, r: 3 })
    expect(join(held, answer)).toMatchObject({ newer: 8192, older: 0, lost: 0 })
    expect(join(held, answer).view).toBe(answer.view)
  })

  it('keeps what it holds against a primary that has been deposed', () => {
    const held = claims('a:0-8191 r:8192-16383', { a: 1, b: 3, r: 3 })
    // Its replica's epoch is its own, as far as it knows.
    const answer = claims('a:0-8191 b:8192-16383', { a: 1, b: 2, r: 2 })
    expect(join(held, answer)).toMatchObject({ newer: 0, older: 8192, lost: 0 })
    expect(join(held, answer).view).toBe(held.view)
  })

  it('takes from each what is newer', () => {
    const held = claims('a:0-99 c:100-199 b:200-16383', { a: 1, b: 2, c: 9 })
    const answer = claims('a:0-199 b:200-16000 d:16001-16383', { a: 1, b: 2, c: 9, d: 10 })
    const { view, newer, older } = join(held, answer)
    expect({ newer, older, covered: view.covered }).toEqual({ newer: 383, older: 100, covered: 16384 })
    expect(sameView(view, viewOf('a:0-99 c:100-199 b:200-16000 d:16001-16383'))).toBe(true)
  })

  it('gives nothing for the claim of a node that is not known any more', () => {
    const held = claims('old:0-16383', { old: 50 })
    const answer = claims('young:0-16383', { young: 1 })
    expect(join(held, answer).view).toBe(answer.view)
  })

  it('keeps slots that are claimed no more, and counts them', () => {
    const held = claims('a:0-8191 b:8192-16383', { a: 1, b: 2 })
    const answer = claims('a:0-8191', { a: 1, b: 2 })
    expect(join(held, answer)).toMatchObject({ newer: 0, older: 0, lost: 8192, view: held.view })
  })

  // The truth is a list of changes of hands, each with an epoch of its own; nodes know of some beginning of it.
  it('comes to the newest claim of all, in whatever order nodes that lag are asked', () => {
    const names = ['a', 'b', 'c', 'd']
    const move = fc.record({ to: fc.constantFrom(...names), first: fc.nat(20), length: fc.nat(10) })
    fc.assert(
      fc.property(
        fc.array(move, { maxLength: 12 }),
        fc.array(fc.nat(12), { minLength: 1, maxLength: 8 }),
        (moves, lags) => {
          // Slots 0 to 30 matter; the rest belongs to 'a' for ever.
          const owners: string[] = new Array(31).fill('a')
          const epochs: Record<string, number> = { a: 1, b: 2, c: 3, d: 4 }
          // A node's epoch grows with each move to it, so its older claims grow newer, too: only the last claim to a slot counts.
          const history = [{ owners: [...owners], epochs: { ...epochs } }]
          for (const [i, { to, first, length }] of moves.entries()) {
            for (let slot = first; slot <= Math.min(30, first + length); slot++) owners[slot] = to
            epochs[to] = 5 + i
            history.push({ owners: [...owners], epochs: { ...epochs } })
          }
          const claimsAt = (at: number): Claims => {
            const { owners, epochs } = history[Math.min(at, history.length - 1)] as (typeof history)[number]
            const parts = owners.map((owner, slot) => `${owner}:${slot}-${slot}`)
            return claims([...parts, 'a:31-16383'].join(' '), epochs)
          }
          let held = claimsAt(0)
          for (const lag of [...lags, 99]) held = join(held, claimsAt(lag))
          const truth = claimsAt(99)
          for (let slot = 0; slot <= 31; slot++) expect(ownerOf(held.view, slot)).toBe(ownerOf(truth.view, slot))
          // Whoever lags changes nothing any more, unless its claim has been confirmed since.
          for (const lag of lags) {
            const { view } = join(held, claimsAt(lag))
            for (let slot = 0; slot <= 31; slot++) {
              const owner = ownerOf(view, slot) as string
              if (owner === ownerOf(truth.view, slot)) continue
              expect(
                (history[Math.min(lag, history.length - 1)] as (typeof history)[number]).epochs[owner],
              ).toBeGreaterThanOrEqual(truth.epochs.get(ownerOf(truth.view, slot) as string) as number)
            }
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('judge()', () => {
  const whole = 'a:0-8191 b:8192-16383'
  const failedOver = 'a:0-8191 r:8192-16383'
  const half = 'a:0-8191'
  const known = epochsOf({ a: 1, b: 2, r: 2 })
  const answer = (text: string, epochs?: Epochs | null, same = text === whole): ViewAnswer => ({
    view: text === '' ? buildView([]) : viewOf(text),
    same,
    epochs,
  })
  const newer = epochsOf({ a: 1, b: 2, r: 5 })
  const unknown = null

  it.each<[string, string | null, Epochs | null, ViewAnswer[], boolean, string]>([
    ['nothing yet', whole, known, [], false, 'ask-more'],
    ['nothing from anybody', whole, known, [], true, 'give-up'],
    ['what we hold', whole, known, [answer(whole)], false, 'unchanged'],
    ['the first view', null, null, [answer(half)], false, 'install'],
    ['nothing at all', null, null, [answer('')], false, 'ask-more'],
    ['nothing at all, from everybody', whole, known, [answer(''), answer('')], true, 'give-up'],

    ['another view, its epochs not yet known', whole, known, [answer(failedOver)], false, 'ask-epochs'],
    ['a newer view', whole, known, [answer(failedOver, newer)], false, 'install'],
    ['an older view', whole, epochsOf({ a: 1, b: 9 }), [answer(failedOver, known)], false, 'ask-more'],
    [
      'an older view from whoever is left',
      whole,
      epochsOf({ a: 1, b: 9 }),
      [answer(failedOver, known)],
      true,
      'unchanged',
    ],
    [
      'an older view from several, who are all there are',
      whole,
      epochsOf({ a: 1, b: 9 }),
      [answer(failedOver, known), answer(failedOver, known)],
      true,
      'install',
    ],
    [
      'an older view, and what we hold',
      whole,
      epochsOf({ a: 1, b: 9 }),
      [answer(failedOver, known), answer(whole)],
      false,
      'unchanged',
    ],
    ['less, from one', whole, known, [answer(half, known)], false, 'ask-more'],
    ['less, from the only one', whole, known, [answer(half, known)], true, 'give-up'],
    ['less, from two', whole, known, [answer(half, known), answer(half)], false, 'install'],
    ['less, from one, and what we hold', whole, known, [answer(half, known), answer(whole)], false, 'unchanged'],

    ['another view, no epochs', whole, unknown, [answer(failedOver, null)], false, 'ask-more'],
    ['another view from the only one, no epochs', whole, unknown, [answer(failedOver, null)], true, 'install'],
    ['another view from two, no epochs', whole, unknown, [answer(failedOver), answer(failedOver)], false, 'install'],
    ['a contradiction', whole, unknown, [answer(failedOver), answer(whole)], false, 'ask-epochs'],
    [
      'a contradiction, one side known',
      whole,
      unknown,
      [answer(failedOver, newer), answer(whole)],
      false,
      'ask-epochs',
    ],
    [
      'a contradiction, the news newer',
      whole,
      unknown,
      [answer(failedOver, newer), answer(whole, known)],
      false,
      'install',
    ],
    [
      'a contradiction, the news older',
      whole,
      unknown,
      [answer(failedOver, known), answer(whole, epochsOf({ a: 1, b: 9, r: 9 }))],
      false,
      'unchanged',
    ],
    [
      'a contradiction without epochs',
      whole,
      unknown,
      [answer(failedOver, null), answer(whole, null)],
      false,
      'ask-more',
    ],
    [
      'a contradiction without epochs, two to one',
      whole,
      unknown,
      [answer(failedOver, null), answer(whole, null), answer(failedOver, null)],
      false,
      'install',
    ],
    [
      'a contradiction without epochs, one to one, nobody else',
      whole,
      unknown,
      [answer(failedOver, null), answer(whole, null)],
      true,
      'unchanged',
    ],
    ['less from the only one, no epochs', whole, unknown, [answer(half, null)], true, 'give-up'],
    ['less and less still, no epochs', whole, unknown, [answer(half, null), answer('a:0-99', null)], true, 'give-up'],
  ])('of %s', (_, view, epochs, answers, exhausted, kind) => {
    const held = view === null ? null : { view: viewOf(view), epochs }
    expect(judge(held, answers, exhausted).kind).toBe(kind)
  })
})
