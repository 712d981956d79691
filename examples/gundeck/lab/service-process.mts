// service-process: the process under test. The example's Gundeck on one of the clients, and what can only be told from within: heap, waiting calls, dials.
// Started by stage.mts only.

import { closeSync, openSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString, writeHeapSnapshot } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { pino } from 'pino'
import { resolveConfig } from '../src/config.js'
import { createGundeck, type Gundeck } from '../src/gundeck.js'
import { type CannonClient, HttpCannonClient } from '../src/push/cannon-client.js'
import type { RedisPort } from '../src/redis/port.js'
import { serve } from './child.mjs'
import {
  encodeBits,
  type ServiceOrder,
  type ServiceReport,
  type ServiceStart,
  type WireMarker,
  wallMs,
} from './messages.mjs'
import { Tracker, watchDials } from './tracker.mjs'
import { hostAndPort } from './variants/common.mjs'
import { type Opened, variants } from './variants/index.mjs'

const sampleMs = 100

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const tracker = new Tracker()
let markers: WireMarker[] = []
const mark = (kind: WireMarker['kind'], text: string) => markers.push({ atMs: wallMs(), kind, text })

/** For a census of a process that has no descriptor left. */
const spareDescriptors: number[] = []
function holdSpareDescriptors(): void {
  try {
    while (spareDescriptors.length < 4) spareDescriptors.push(openSync('/dev/null', 'r'))
  } catch {
    // None is to be had.
  }
}
holdSpareDescriptors()

let reported = new Uint32Array(0)
let pushesSeen = 0
let gundeck: Gundeck | null = null
let redis: RedisPort | null = null

const report = serve<ServiceOrder, ServiceReport>(order => {
  void carryOut(order).catch(error => {
    process.stderr.write(`${(error as Error).stack}\n`)
    process.exit(1)
  })
})

/** Notes which targets the service is told were reached: this is what it counts as delivered. */
class NotedCannons implements CannonClient {
  readonly #cannons: HttpCannonClient

  constructor(timeoutMs: number) {
    this.#cannons = new HttpCannonClient(timeoutMs)
  }

  async bulkPush(...args: Parameters<CannonClient['bulkPush']>): ReturnType<CannonClient['bulkPush']> {
    const answer = await this.#cannons.bulkPush(...args)
    const pushOf = new Map<string, { n: number; bits: Record<string, number> }>()
    for (const { notification } of args[0].batches) {
      const [first] = notification.payload as [{ n: number; bits: Record<string, number> }]
      pushOf.set(notification.id, first)
    }
    for (const { notif_id, target, status } of answer.bulkpush_resp) {
      const push = pushOf.get(notif_id)
      const bit = push?.bits[`${target.user_id} ${target.conn_id}`]
      if (push === undefined || bit === undefined || status !== 'push_status_ok') continue
      reported[push.n] = (reported[push.n] as number) | (1 << bit)
      pushesSeen = Math.max(pushesSeen, push.n + 1)
    }
    return answer
  }

  close(): Promise<void> {
    return this.#cannons.close()
  }
}

async function start({ variant, redisAddresses, maxPushes, limits }: ServiceStart): Promise<void> {
  const chosen = variants[variant]
  if (chosen === undefined) throw new Error(`no such variant: ${variant}`)
  reported = new Uint32Array(maxPushes)
  const { host, port } = hostAndPort(redisAddresses[0] as string)
  const config = resolveConfig(
    {
      gundeck: { host: '127.0.0.1', port: 0 },
      redis: { host, port, connectionMode: 'cluster', enableTls: false, insecureSkipVerifyTls: false },
      rabbitmq: null,
      cellsEventQueue: null,
      limits: chosen.unbounded === true ? { ...limits, maxBackgroundPushBytes: 2 ** 40 } : limits,
    },
    {},
  )
  const dials = watchDials(new Set(redisAddresses.map(address => hostAndPort(address).port)), mark)
  const opened = await chosen.open(redisAddresses, config.limits, tracker, mark)
  redis = opened.port
  gundeck = createGundeck({
    config,
    redis: opened.port,
    cannonClient: new NotedCannons(config.limits.cannonTimeoutMs),
    log: pino({ level: 'silent' }),
  })
  const listening = await gundeck.listen()
  sample(opened, chosen.dialsUnseen === true ? null : dials)
  report({ kind: 'ready', port: listening })
}

function sample(opened: Opened, dials: (() => number) | null): void {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  setInterval(() => {
    // Not process.memoryUsage(): that opens a file, and there may be no descriptor left.
    const memory = getHeapStatistics()
    report({
      kind: 'sample',
      atMs: wallMs(),
      heapReservedBytes: memory.total_heap_size,
      heapUsedBytes: memory.used_heap_size,
      externalBytes: memory.external_memory,
      handles: process.getActiveResourcesInfo().length,
      eventLoopDelayMs: delay.count === 0 ? 0 : Math.max(0, delay.max / 1e6 - 10),
      waitingCalls: tracker.open,
      waitingBytes: opened.waitingBytes(),
      oldestWaitMs: tracker.oldestMs,
      dialsTotal: dials?.() ?? null,
      refreshesTotal: opened.refreshes(),
      background: gundeck?.inspectPushes().pushes ?? 0,
    })
    delay.reset()
    if (markers.length === 0) return
    report({ kind: 'markers', markers })
    markers = []
  }, sampleMs)
}

async function carryOut(order: ServiceOrder): Promise<void> {
  switch (order.kind) {
    case 'start':
      await start(order)
      break
    case 'arm':
      tracker.onSuccess = atMs => report({ kind: 'first-success', atMs })
      break
    case 'measure':
      collectGarbage()
      await new Promise(resolve => setTimeout(resolve, 50))
      collectGarbage()
      report({
        kind: 'measured',
        heapUsedBytes: getHeapStatistics().used_heap_size,
        sockets: redis?.inspect().sockets ?? null,
      })
      break
    case 'snapshot':
      for (const fd of spareDescriptors.splice(0)) closeSync(fd)
      writeHeapSnapshot(order.path)
      holdSpareDescriptors()
      report({ kind: 'snapshot-written' })
      break
    case 'end':
      report({ kind: 'ended', reported: encodeBits(reported, pushesSeen) })
      break
  }
}
