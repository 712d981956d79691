import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { tcpEndpoint } from '../../../src/connection/endpoint.js'
import type { Node } from '../../../src/node/node.js'
import { newOrigin } from '../../../src/observe.js'
import { type Evidence, TopologyRefresher } from '../../../src/topology/refresher.js'
import type { Answer, ClusterSource } from '../../../src/topology/source.js'
import type { Topology } from '../../../src/topology/topology.js'
import { buildView, sameView, type View } from '../../../src/topology/view.js'

const minIntervalMs = 100
const urgentIntervalMs = 40
const maxIntervalMs = 800

/** A view in which one primary serves the slots from 0 to `last`. */
function viewTo(last: number, port = 7000): View {
  const shard = { primary: { endpoint: tcpEndpoint('h', port), id: `id-${port}` }, replicas: [] }
  return buildView(last < 0 ? [] : [{ first: 0, last, shard }])
}

type AnswerKind = 'same' | 'other' | 'empty' | 'half' | 'error' | 'silent'

/** Everything the refresher talks to, without a network: nodes answer what they are told, after a while. */
class Stage {
  asking = 0
  asked = 0
  rounds: { startedAt: number; endedAt: number }[] = []
  view = viewTo(16383)
  kind: AnswerKind = 'same'
  answerMs = 10
  ready = 2
  refreshed = 0
  failed = 0
  readonly #nodes = Array.from({ length: 5 }, (_, i) => ({ endpoint: tcpEndpoint('h', 7000 + i) }) as Node)
  readonly refresher: TopologyRefresher

  constructor() {
    const stage = this
    const topology = {
      get view() {
        return stage.view
      },
      size: 5,
      readyNodes: () => stage.#nodes.slice(0, stage.ready),
      holds: (view: View) => sameView(view, stage.view),
      apply: (view: View) => {
        if (view.covered === 0) throw new Error('an empty view was applied')
        stage.view = view
        return true
      },
      openAny: () => false,
      openAnother: () => undefined,
    } as unknown as Topology
    const source = {
      ask: (node: Node) => this.#ask(node),
      askEpochs: async () => null,
      read: ({ raw }: Answer) => raw as unknown as View,
    } as unknown as ClusterSource
    const options = {
      refreshMinIntervalMs: minIntervalMs,
      refreshUrgentIntervalMs: urgentIntervalMs,
      refreshMaxIntervalMs: maxIntervalMs,
      refreshPeriodMs: 5000,
      origin: newOrigin(null),
    }
    this.refresher = new TopologyRefresher(topology, source, options, {
      onRefreshed: () => {
        this.refreshed++
        this.#endRound()
      },
      onRefreshFailed: () => {
        this.failed++
        this.#endRound()
      },
    })
  }

  #endRound(): void {
    const round = this.rounds.at(-1) as { endedAt: number }
    expect(round.endedAt).toBe(-1)
    round.endedAt = performance.now()
  }

  async #ask(node: Node): Promise<Answer> {
    expect(this.refresher.state).toBe('refreshing')
    this.asked++
    if (this.rounds.at(-1)?.endedAt !== -1) this.rounds.push({ startedAt: performance.now(), endedAt: -1 })
    const { kind, answerMs } = this
    await new Promise(resolve => setTimeout(resolve, kind === 'silent' ? 2000 : answerMs))
    if (kind === 'error' || kind === 'silent') throw new Error(kind)
    const views = {
      same: () => this.view,
      other: () => viewTo(16383, 7000 + this.asked),
      empty: () => viewTo(-1),
      half: () => viewTo(8191),
    }
    return { node, protocol: 3, raw: views[kind]() as unknown as Buffer }
  }
}

type Step =
  | { do: 'ring'; evidence: Evidence; hint: boolean }
  | { do: 'wait-newer' }
  | { do: 'node-ready' }
  | { do: 'answers'; kind: AnswerKind; answerMs: number }
  | { do: 'ready-nodes'; count: number }
  | { do: 'pass'; ms: number }
  | { do: 'stop' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('ring' as const),
      evidence: fc.constantFrom<Evidence>('waiting', 'urgent', 'redirect', 'period'),
      hint: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ do: 'wait-newer' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'node-ready' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('answers' as const),
      kind: fc.constantFrom<AnswerKind>('same', 'other', 'empty', 'half', 'error', 'silent'),
      answerMs: fc.nat(600),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ready-nodes' as const), count: fc.nat(5) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(1500) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'stop' as const }) },
)

describe('TopologyRefresher', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('under any interleaving of rings, answers, news and stop: never two rounds at once, rounds apart, every waiter settled', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async steps => {
        const stage = new Stage()
        const { refresher } = stage
        let waiting = 0
        for (const current of steps) {
          switch (current.do) {
            case 'ring':
              refresher.ring(current.evidence, null)
              break
            case 'wait-newer': {
              waiting++
              const { generation } = refresher
              refresher.newerThan(generation).then(
                newer => {
                  waiting--
                  expect(newer).toBeGreaterThan(generation)
                },
                error => {
                  waiting--
                  expect(error.code).toBe('SLOTWISE_CLOSED')
                },
              )
              break
            }
            case 'node-ready':
              refresher.onNodeReady()
              break
            case 'answers':
              stage.kind = current.kind
              stage.answerMs = current.answerMs
              break
            case 'ready-nodes':
              stage.ready = current.count
              break
            case 'pass':
              await vi.advanceTimersByTimeAsync(current.ms)
              break
            case 'stop':
              refresher.stop()
          }
        }
        refresher.stop()
        await vi.advanceTimersByTimeAsync(10_000)
        expect(waiting).toBe(0)
        expect(vi.getTimerCount()).toBe(0)
        const ended = stage.rounds.filter(round => round.endedAt !== -1)
        for (const [i, round] of stage.rounds.entries()) {
          const before = ended[i - 1]
          if (before !== undefined)
            expect(round.startedAt - before.endedAt).toBeGreaterThanOrEqual(urgentIntervalMs - 1)
        }
        expect(stage.refreshed + stage.failed).toBe(ended.length)
      }),
      { numRuns: 300 },
    )
  })

  it('300 redirects in a moment lead to at most two rounds', async () => {
    const { refresher } = new Stage()
    for (let i = 0; i < 300; i++) {
      refresher.ring('redirect')
      await vi.advanceTimersByTimeAsync(0.3)
    }
    expect(refresher.rounds).toBeLessThanOrEqual(2)
    refresher.stop()
  })

  it('looks less and less often while redirects go on and nothing changes, and at once when calls cannot be served', async () => {
    const { refresher } = new Stage()
    const ringing = setInterval(() => refresher.ring('redirect'), 10)
    for (let i = 0; i < 400; i++) {
      refresher.ring('redirect')
      await vi.advanceTimersByTimeAsync(10)
    }
    clearInterval(ringing)
    // 4 s: at 0, 100, 300, 700 ms after each other's end, then every 800 ms.
    expect(refresher.rounds).toBeLessThanOrEqual(8)
    const before = refresher.rounds
    refresher.ring('urgent')
    await vi.advanceTimersByTimeAsync(minIntervalMs * 1.2)
    expect(refresher.rounds).toBe(before + 1)
    refresher.stop()
  })

  it('does not believe a view that covers less unless a second node says the same', async () => {
    const stage = new Stage()
    stage.kind = 'half'
    stage.ready = 1
    stage.refresher.ring('urgent')
    await vi.advanceTimersByTimeAsync(50)
    expect(stage.view.covered).toBe(16384)
    expect(stage.failed).toBe(1)
    stage.ready = 2
    await vi.advanceTimersByTimeAsync(1000)
    expect(stage.view.covered).toBe(8192)
    stage.refresher.stop()
  })

  it('compares by itself every now and then', async () => {
    const stage = new Stage()
    await vi.advanceTimersByTimeAsync(30_000)
    expect(stage.refresher.rounds).toBeGreaterThanOrEqual(5)
    expect(stage.refresher.rounds).toBeLessThanOrEqual(7)
    stage.refresher.stop()
    // A round may be under way, and the node it asks still has its answer to give.
    await vi.advanceTimersByTimeAsync(1000)
    expect(vi.getTimerCount()).toBe(0)
  })
})
