// load-process: pushes and presence traffic at a fixed rate, whatever comes back. Started by stage.mts only.

import { Agent, request } from 'undici'
import { serve } from './child.mjs'
import {
  connId,
  encodeBits,
  type LoadOrder,
  type LoadReport,
  type LoadSample,
  recipientsOf,
  targetBit,
  userId,
} from './messages.mjs'

type Start = Extract<LoadOrder, { kind: 'start' }>

const tickMs = 10
const sampleMs = 100
/** A caller gives up then. Longer than the service's own deadline: whoever keeps to it answers before. */
const callerTimeoutMs = 10_000

const counts: LoadSample = { kind: 'sample', sent: 0, open: 0, ok: 0, refused: 0, failed: 0, pushesAccepted: 0 }
const agent = new Agent({ headersTimeout: callerTimeoutMs, bodyTimeout: callerTimeoutMs })
let accepted = new Uint32Array(0)
let options: Start | null = null
let requestsPerSec = 0
let owed = 0
let pushes = 0

const report = serve<LoadOrder, LoadReport>(carryOut)

async function send(method: 'GET' | 'POST', path: string, body: object | null): Promise<boolean> {
  counts.sent++
  counts.open++
  try {
    const response = await request(`${options?.gundeckUrl}${path}`, {
      method,
      dispatcher: agent,
      ...(body !== null && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    await response.body.dump()
    const { statusCode } = response
    if (statusCode < 300) counts.ok++
    else if (statusCode === 503) counts.refused++
    else counts.failed++
    return statusCode < 300
  } catch {
    counts.failed++
    return false
  } finally {
    counts.open--
  }
}

async function push({ crowd, payloadBytes, maxPushes }: Start): Promise<void> {
  const n = pushes
  if (n >= maxPushes) return
  pushes++
  const recipients = recipientsOf(n, crowd)
  const bits: Record<string, number> = {}
  let all = 0
  for (const user of recipients) {
    for (let conn = 0; conn < crowd.socketsPerUser; conn++) {
      const bit = targetBit(n, user, conn, crowd)
      bits[`${userId(user)} ${connId(conn)}`] = bit
      all |= 1 << bit
    }
  }
  const ok = await send('POST', '/i/push/v2', [
    {
      recipients: recipients.map(user => ({ user_id: userId(user), route: 'any', clients: [] })),
      payload: [{ n, sentAtMs: Date.now(), bits, text: 'p'.repeat(payloadBytes) }],
      transient: true,
    },
  ])
  if (!ok) return
  counts.pushesAccepted++
  accepted[n] = all
}

/** Of twenty requests: sixteen pushes, three look-ups, one registration (the same one again). */
function operate(sequence: number, start: Start): void {
  const { crowd, resources } = start
  const user = sequence % crowd.users
  const kind = sequence % 20
  if (kind % 5 !== 4) void push(start)
  else if (kind !== 19) void send('GET', `/i/presences/${userId(user)}`, null)
  else {
    const conn = sequence % crowd.socketsPerUser
    const resource = `${resources[(user + conn) % resources.length]}/i/push/${userId(user)}/${connId(conn)}`
    void send('POST', '/i/presences', { user_id: userId(user), device_id: connId(conn), resource })
  }
}

let sequence = 0
let lastTickAt = performance.now()
setInterval(() => {
  const now = performance.now()
  owed += (requestsPerSec * (now - lastTickAt)) / 1000
  lastTickAt = now
  for (; owed >= 1; owed--) if (options !== null) operate(sequence++, options)
}, tickMs)

function carryOut(order: LoadOrder): void {
  switch (order.kind) {
    case 'start':
      options = order
      accepted = new Uint32Array(order.maxPushes)
      setInterval(() => report(counts), sampleMs)
      report({ kind: 'ready' })
      break
    case 'rate':
      requestsPerSec = order.requestsPerSec
      owed = 0
      break
    case 'report':
      report({ kind: 'accepted', bits: encodeBits(accepted, pushes) })
      break
    case 'end':
      process.exit(0)
  }
}
