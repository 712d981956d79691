// world-process: two Cannons, and the users with their websockets. Counts what arrives. Started by stage.mts only.

import { WebSocket } from 'ws'
import { type Cannon, startCannon } from '../src/cannon/cannon.js'
import { serve } from './child.mjs'
import {
  type Crowd,
  connId,
  encodeBits,
  targetBit,
  userId,
  type WorldOrder,
  type WorldReport,
  type WorldSample,
} from './messages.mjs'

const sampleMs = 100
const openAtOnce = 20

const counts: WorldSample = { kind: 'sample', received: 0, late: 0, duplicated: 0, open: 0 }
let bits = new Uint32Array(0)
let pushesSeen = 0
let cannons: Cannon[] = []

const report = serve<WorldOrder, WorldReport>(order => {
  void carryOut(order).catch(error => {
    process.stderr.write(`${(error as Error).stack}\n`)
    process.exit(1)
  })
})

function openSocket(user: number, conn: number, crowd: Crowd, lateAfterMs: number): Promise<void> {
  const cannon = cannons[(user + conn) % cannons.length] as Cannon
  const socket = new WebSocket(`ws://127.0.0.1:${cannon.port}/await`, {
    headers: { 'Z-User': userId(user), 'Z-Connection': connId(conn) },
  })
  socket.on('message', (data: Buffer) => {
    const { payload } = JSON.parse(String(data)) as { payload: [{ n: number; sentAtMs: number }] }
    const { n, sentAtMs } = payload[0]
    const bit = targetBit(n, user, conn, crowd)
    if (bit === -1) {
      report({ kind: 'problem', text: `push ${n} reached a websocket it was not for` })
      return
    }
    counts.received++
    if (Date.now() - sentAtMs > lateAfterMs) counts.late++
    const before = bits[n] as number
    if ((before & (1 << bit)) !== 0) counts.duplicated++
    bits[n] = before | (1 << bit)
    pushesSeen = Math.max(pushesSeen, n + 1)
  })
  return new Promise((resolve, reject) => {
    socket.once('open', () => {
      counts.open++
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', (code, reason) => {
      counts.open--
      report({ kind: 'problem', text: `a websocket was closed: ${code} ${reason}` })
    })
  })
}

async function start({
  gundeckUrl,
  crowd,
  maxPushes,
  lateAfterMs,
}: Extract<WorldOrder, { kind: 'start' }>): Promise<void> {
  bits = new Uint32Array(maxPushes)
  cannons = await Promise.all([startCannon({ gundeckUrl }), startCannon({ gundeckUrl })])
  const all = Array.from({ length: crowd.users * crowd.socketsPerUser }, (_, i) => i)
  while (all.length > 0) {
    const some = all.splice(0, openAtOnce)
    await Promise.all(
      some.map(i => openSocket(Math.floor(i / crowd.socketsPerUser), i % crowd.socketsPerUser, crowd, lateAfterMs)),
    )
  }
  setInterval(() => report(counts), sampleMs)
  report({ kind: 'ready', resources: cannons.map(cannon => cannon.url) })
}

async function carryOut(order: WorldOrder): Promise<void> {
  switch (order.kind) {
    case 'start':
      await start(order)
      break
    case 'report':
      report({
        kind: 'received',
        bits: encodeBits(bits, pushesSeen),
        late: counts.late,
        duplicated: counts.duplicated,
      })
      break
    case 'end':
      process.exit(0)
  }
}
