// ScriptedCannon: an HTTP server that answers bulk pushes as a test wants it, rightly or not.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface BulkPushBody {
  bulkpush_req: {
    notification: { id: string; transient: boolean; payload: object[] }
    targets: { user_id: string; conn_id: string }[]
  }[]
}

export interface Reply {
  status?: number
  body?: unknown
}

export interface ScriptedCannon {
  readonly url: string
  /** What it was sent. */
  readonly requests: { body: BulkPushBody; requestId: string | undefined }[]
  /** Answers; the connection is cut when it gives null. */
  answer: (body: BulkPushBody, attempt: number) => Promise<Reply | null> | Reply | null
  close(): Promise<void>
}

export async function startScriptedCannon(answer: ScriptedCannon['answer']): Promise<ScriptedCannon> {
  const requests: ScriptedCannon['requests'] = []
  const server = createServer(async (incoming, outgoing) => {
    let text = ''
    for await (const chunk of incoming) text += chunk
    const body = JSON.parse(text) as BulkPushBody
    requests.push({ body, requestId: incoming.headers['request-id'] as string | undefined })
    const reply = await cannon.answer(body, requests.length)
    if (reply === null) {
      incoming.socket.destroy()
      return
    }
    outgoing.writeHead(reply.status ?? 200, { 'content-type': 'application/json' })
    outgoing.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cannon: ScriptedCannon = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return cannon
}

/** The same status for every target. */
export function answerAll(body: BulkPushBody, status: 'ok' | 'gone'): Reply {
  const entries = body.bulkpush_req.flatMap(({ notification, targets }) =>
    targets.map(target => ({ notif_id: notification.id, target, status: `push_status_${status}` })),
  )
  return { body: { bulkpush_resp: entries } }
}
