import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { firstRound, isComplete, nextRound, type ScanRound, type ScanTask } from '../../../src/routing/scan-plan.js'
import { type ClusterNode, type Ownership, parseClusterNodes, SlotSet } from '../../../src/topology/ownership.js'

type Said = Partial<Omit<ClusterNode, 'migrating' | 'importing'>> & {
  migrating?: [number, string][]
  importing?: [number, string][]
}

function node(id: string, { migrating = [], importing = [], ...rest }: Said = {}): ClusterNode {
  const defaults = { host: 'h', port: 1, isMyself: true, isPrimary: true, isAway: false, epoch: 1, ranges: [] }
  return { id, ...defaults, migrating: new Map(migrating), importing: new Map(importing), ...rest }
}

function ownership(said: Record<string, Said>): Ownership {
  return new Map(Object.entries(said).map(([id, what]) => [id, node(id, what)]))
}

/** Tasks in a form to compare: the id, and the slots below 100 that are wanted. */
function shown(round: ScanRound | null): unknown {
  const show = ({ id, slots }: ScanTask) =>
    slots === null ? id : `${id}:${Array.from({ length: 100 }, (_, slot) => slot).filter(slot => slots.has(slot))}`
  return round === null ? null : { sources: round.sources.map(show), targets: round.targets.map(show) }
}

const none: ReadonlySet<ScanTask> = new Set()

describe('nextRound()', () => {
  const quiet = { a: { ranges: [0, 9] }, b: { ranges: [10, 19] } }

  it('is none when nothing has changed', () => {
    const before = ownership(quiet)
    expect(shown(firstRound(before))).toEqual({ sources: [], targets: ['a', 'b'] })
    expect(nextRound(firstRound(before), none, before, ownership(quiet))).toBeNull()
  })

  it.each<[string, Record<string, Said>, Record<string, Said>, unknown]>([
    [
      'slots that a node has got',
      quiet,
      { a: { ranges: [0, 6] }, b: { ranges: [7, 19] } },
      { sources: [], targets: ['b:7,8,9'] },
    ],
    [
      'all of a node that has promoted itself',
      quiet,
      { a: { ranges: [0, 9] }, c: { ranges: [10, 19], epoch: 2 } },
      { sources: [], targets: ['c'] },
    ],
    [
      'all of a node that may have given slots away and got them back',
      quiet,
      { a: { ranges: [0, 9], epoch: 3 }, b: { ranges: [10, 19] } },
      { sources: [], targets: ['a'] },
    ],
    [
      'both ends of a move that is open now',
      quiet,
      { a: { ranges: [0, 9], migrating: [[3, 'b']] }, b: { ranges: [10, 19], importing: [[3, 'a']] } },
      { sources: ['a:3'], targets: ['b:3'] },
    ],
    [
      'both ends of a move of which one side knows',
      quiet,
      { a: { ranges: [0, 9] }, b: { ranges: [10, 19], importing: [[3, 'a']] } },
      { sources: ['a:3'], targets: ['b:3'] },
    ],
    [
      'both ends of a move that was open and is not any more',
      { a: { ranges: [0, 9], migrating: [[3, 'b']] }, b: { ranges: [10, 19] } },
      quiet,
      { sources: ['a:3'], targets: ['b:3'] },
    ],
    [
      'not the end of a move that is gone',
      { a: { ranges: [0, 9], migrating: [[3, 'x']] } },
      { a: { ranges: [0, 9], migrating: [[3, 'x']] } },
      { sources: ['a:3'], targets: [] },
    ],
  ])('goes through %s', (_, before, after, expected) => {
    const first = ownership(before)
    expect(shown(nextRound(firstRound(first), none, first, ownership(after)))).toEqual(expected)
  })

  it('goes through both ends of an open move once, and that settles it', () => {
    const open = ownership({ a: { ranges: [0, 9], migrating: [[3, 'b']] }, b: { ranges: [10, 19] } })
    const second = nextRound(firstRound(open), none, open, open) as ScanRound
    expect(shown(second)).toEqual({ sources: ['a:3'], targets: ['b:3'] })
    expect(nextRound(second, none, open, open)).toBeNull()
    const failed = new Set(second.sources)
    expect(shown(nextRound(second, failed, open, open))).toEqual({ sources: ['a:3'], targets: ['b:3'] })
    const bumped = ownership({ a: { ranges: [0, 9], migrating: [[3, 'b']] }, b: { ranges: [10, 19], epoch: 7 } })
    expect(shown(nextRound(second, none, open, bumped))).toEqual({ sources: ['a:3'], targets: ['b'] })
  })

  it('goes once more through what failed, unless the node is gone', () => {
    const before = ownership(quiet)
    const round = firstRound(before)
    const failed = new Set(round.targets)
    expect(shown(nextRound(round, failed, before, before))).toEqual({ sources: [], targets: ['a', 'b'] })
    const after = ownership({ a: { ranges: [0, 9] }, c: { ranges: [10, 19] } })
    expect(shown(nextRound(round, failed, before, after))).toEqual({ sources: [], targets: ['a', 'c'] })
  })
})

describe('isComplete()', () => {
  const told = [node('a', { ranges: [0, 9] }), node('b', { ranges: [10, 19] })]
  it.each<[string, boolean, Record<string, Said>, ClusterNode[], Ownership | null]>([
    ['all have spoken', true, { a: { ranges: [0, 9] }, b: { ranges: [10, 19] } }, told, null],
    ['somebody has not', false, { a: { ranges: [0, 9] } }, told, null],
    ['another one has its slots', true, { a: { ranges: [0, 9] }, c: { ranges: [10, 19] } }, told, null],
    ['a slot has got lost', false, { a: { ranges: [0, 9] } }, told.slice(0, 1), ownership({ b: { ranges: [10, 10] } })],
    [
      'keys go to one that has not spoken',
      false,
      { a: { ranges: [0, 9], migrating: [[1, 'x']] } },
      told.slice(0, 1),
      null,
    ],
    [
      'keys went to one that has failed',
      true,
      { a: { ranges: [0, 9], migrating: [[1, 'x']] } },
      [...told.slice(0, 1), node('x', { isAway: true })],
      null,
    ],
  ])('%s: %s', (_, expected, own, lines, before) => {
    expect(isComplete(ownership(own), lines, before)).toBe(expected)
  })
})

// ---- a cluster in which anything happens at any time

const slotCount = 6

interface Server {
  epoch: number
  owned: Set<number>
  migrating: Map<number, string>
  importing: Map<number, string>
  /** Names of keys to their slots. */
  keys: Map<string, number>
}

class Model {
  readonly servers = new Map<string, Server>()
  #promoted = 0

  constructor(servers: number, keysPerSlot: number) {
    for (let i = 0; i < servers; i++) this.servers.set(`n${i}`, emptyServer(i + 1))
    for (let slot = 0; slot < slotCount; slot++) {
      const owner = this.#at(slot % Math.max(1, servers - 1))
      owner.owned.add(slot)
      for (let i = 0; i < keysPerSlot; i++) owner.keys.set(`${slot}/${i}`, slot)
    }
  }

  #at(index: number): Server {
    return [...this.servers.values()][index % this.servers.size] as Server
  }

  #idOf(server: Server): string {
    return [...this.servers].find(([, other]) => other === server)?.[0] as string
  }

  #ownerOf(slot: number): Server {
    return [...this.servers.values()].find(server => server.owned.has(slot)) as Server
  }

  get maxEpoch(): number {
    return Math.max(...[...this.servers.values()].map(({ epoch }) => epoch))
  }

  /** Cluster spec, "Live resharding": opens a move, moves a key of it, or completes it; or a replica takes over. */
  act([kind, slot, to]: Action): void {
    const from = this.#ownerOf(slot)
    const targetId = from.migrating.get(slot)
    const target = targetId === undefined ? undefined : this.servers.get(targetId)
    if (kind === 'failover') {
      const old = this.#at(to)
      const heir = { ...emptyServer(this.maxEpoch + 1), owned: old.owned, keys: old.keys }
      this.servers.delete(this.#idOf(old))
      this.servers.set(`p${this.#promoted++}`, heir)
    } else if (kind === 'open') {
      const other = this.#at(to)
      if (target !== undefined || other === from) return
      // An earlier move of it may have lost one of its ends.
      for (const server of this.servers.values()) if (server.importing.has(slot)) return
      other.importing.set(slot, this.#idOf(from))
      from.migrating.set(slot, this.#idOf(other))
    } else if (target?.importing.has(slot) === true) {
      const keys = [...from.keys].filter(([, of]) => of === slot)
      for (const [key] of kind === 'step' ? keys.slice(0, 1) : keys) {
        from.keys.delete(key)
        target.keys.set(key, slot)
      }
      if (kind === 'step') return
      if (target.epoch !== this.maxEpoch) target.epoch = this.maxEpoch + 1
      from.owned.delete(slot)
      from.migrating.delete(slot)
      target.owned.add(slot)
      target.importing.delete(slot)
    }
  }

  say(id: string): ClusterNode | null {
    const server = this.servers.get(id)
    if (server === undefined) return null
    const { epoch, owned, migrating, importing } = server
    return node(id, {
      epoch,
      ranges: [...owned].flatMap(slot => [slot, slot]),
      migrating: [...migrating],
      importing: [...importing],
    })
  }
}

function emptyServer(epoch: number): Server {
  return { epoch, owned: new Set(), migrating: new Map(), importing: new Map(), keys: new Map() }
}

type Action = readonly [kind: 'open' | 'step' | 'finish' | 'failover', slot: number, to: number]

/** What each server says of the others: somebody owns every slot. */
const gossip = node('others', { isMyself: false, ranges: [0, slotCount - 1] })

/** Goes through the model as a scan goes through a cluster, with the least that a server promises; `tick` lets things happen. */
function scanModel(model: Model, tick: () => void): { found: Set<string>; rounds: number } {
  const found = new Set<string>()
  const look = (before: Ownership | null): Ownership => {
    for (let tries = 0; tries < 1000; tries++) {
      const own = new Map<string, ClusterNode>()
      for (const id of [...model.servers.keys()]) {
        const said = model.say(id)
        if (said !== null) own.set(id, said)
        tick()
      }
      if (isComplete(own, [...own.values(), ...goneTargets(own, model), gossip], before)) return own
    }
    throw new Error('never complete')
  }
  const go = ({ id, slots }: ScanTask): boolean => {
    const server = model.servers.get(id)
    if (server === undefined) return false
    // Only what is there from its first page to its last is sure to be returned.
    const sure = new Set(server.keys.keys())
    for (let page = 0; page < 3; page++) {
      tick()
      for (const key of sure) if (!server.keys.has(key)) sure.delete(key)
    }
    if (model.servers.get(id) !== server) return false
    for (const key of sure) if (slots === null || slots.has(server.keys.get(key) as number)) found.add(key)
    return true
  }
  let before = look(null)
  let round: ScanRound | null = firstRound(before)
  let rounds = 0
  for (; round !== null; rounds++) {
    const failed = new Set<ScanTask>()
    for (const task of [...round.sources, ...round.targets]) if (!go(task)) failed.add(task)
    const after = look(before)
    round = nextRound(round, failed, before, after)
    before = after
    if (rounds > 500) throw new Error('never at its end')
  }
  return { found, rounds }
}

/** Others say of a server that has been replaced that it has failed. */
function goneTargets(own: Ownership, model: Model): ClusterNode[] {
  const targets = [...own.values()].flatMap(({ migrating }) => [...migrating.values()])
  return targets.filter(id => !model.servers.has(id)).map(id => node(id, { isAway: true, isMyself: false }))
}

const action: fc.Arbitrary<Action> = fc.tuple(
  fc.constantFrom('open', 'open', 'step', 'step', 'finish', 'failover'),
  fc.nat(slotCount - 1),
  fc.nat(5),
)

describe('a scan by these rounds', () => {
  it('finds every key, whatever happens in whatever moment, and comes to an end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 4 }),
        fc.array(fc.tuple(action, fc.nat(6)), { maxLength: 60 }),
        (servers, happenings) => {
          const model = new Model(servers, 3)
          let at = 0
          let waitTicks = happenings[0]?.[1] ?? 0
          const tick = () => {
            while (at < happenings.length && waitTicks-- <= 0) {
              model.act((happenings[at] as (typeof happenings)[number])[0])
              waitTicks = happenings[++at]?.[1] ?? 0
            }
          }
          const { found } = scanModel(model, tick)
          expect(found.size).toBe(slotCount * 3)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('takes one round where nothing happens, and one more where a move stays open', () => {
    const model = new Model(3, 2)
    expect(scanModel(model, () => undefined).rounds).toBe(1)
    model.act(['open', 0, 1])
    model.act(['step', 0, 1])
    expect(scanModel(model, () => undefined)).toMatchObject({ rounds: 2 })
  })
})

describe('parseClusterNodes()', () => {
  it('reads every form of a line', () => {
    const text = `aa 127.0.0.1:7000@17000 myself,master - 0 0 3 connected 0-9 11 [12->-bb] [13-<-cc]
bb 127.0.0.1:7001@17001,host.example slave aa 0 1 3 connected
cc :0@0 master,fail,noaddr - 0 1 2 disconnected
dd fe80::1:7003@17003,,tls-port=0,shard-id=x master,fail? - 0 1 4 connected 14
ee 10.0.0.1:7004 handshake - 0 0 0 disconnected
`
    const [a, b, c, d, e] = parseClusterNodes(text) as [ClusterNode, ClusterNode, ClusterNode, ClusterNode, ClusterNode]
    expect(a).toEqual({
      ...{ id: 'aa', host: '127.0.0.1', port: 7000, isMyself: true, isPrimary: true, isAway: false, epoch: 3 },
      ...{ ranges: [0, 9, 11, 11], migrating: new Map([[12, 'bb']]), importing: new Map([[13, 'cc']]) },
    })
    expect(b).toMatchObject({ isPrimary: false, port: 7001, host: '127.0.0.1' })
    expect(c).toMatchObject({ isAway: true, host: '' })
    expect(d).toMatchObject({ isAway: false, host: 'fe80::1', port: 7003, ranges: [14, 14] })
    expect(e).toMatchObject({ isAway: true, isPrimary: false })
  })

  it.each([7, null, 'x', 'a b c', 'a h:1 master - 0 0 0 connected 0-16384', 'a h:1 master - 0 0 0 connected x'])(
    'refuses %j',
    reply => {
      expect(() => parseClusterNodes(reply)).toThrow(expect.objectContaining({ code: 'SLOTWISE_PROTOCOL' }))
    },
  )
})

describe('SlotSet', () => {
  it('is a set of slots', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(16_383)), fc.uniqueArray(fc.nat(16_383)), (some, others) => {
        const set = new SlotSet().addRanges(some.flatMap(slot => [slot, slot]))
        const other = new SlotSet().addRanges(others.flatMap(slot => [slot, slot]))
        const rest = set.without(other)
        for (const slot of [...some, ...others, 0, 31, 32, 16_383]) {
          expect(set.has(slot)).toBe(some.includes(slot))
          expect(rest.has(slot)).toBe(some.includes(slot) && !others.includes(slot))
        }
        expect(rest.isEmpty).toBe(some.every(slot => others.includes(slot)))
        other.addAll(set)
        for (const slot of some) expect(other.has(slot)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })
})
