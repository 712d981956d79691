// CannonClient: bulk pushes over HTTP.
// Owns    the connections to Cannons.
// Dies    by close().

import { Agent, request } from 'undici'
import { type BulkPush, type BulkPushResponse, bulkPushJson, bulkPushResponse } from './fan-out.js'

export interface CannonClient {
  /** @throws what kept the Cannon from answering, or what is wrong with the answer */
  bulkPush(plan: BulkPush, requestId: string): Promise<BulkPushResponse>
  close(): Promise<void>
}

/** The Cannon has answered, and it is not what was asked for. Asking again is no use. */
class BadAnswer extends Error {}

export class HttpCannonClient implements CannonClient {
  readonly #timeoutMs: number
  readonly #agent = new Agent({ connections: 128 })

  /** @param timeoutMs of one attempt */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  async bulkPush(plan: BulkPush, requestId: string): Promise<BulkPushResponse> {
    const body = JSON.stringify(bulkPushJson(plan))
    try {
      return await this.#attempt(plan.endpoint, body, requestId)
    } catch (error) {
      if (error instanceof BadAnswer) throw error
      // At once, and no more than once: a timeout may mean that the first one is delivered, too.
      return this.#attempt(plan.endpoint, body, requestId)
    }
  }

  async #attempt(endpoint: string, body: string, requestId: string): Promise<BulkPushResponse> {
    const signal = AbortSignal.timeout(this.#timeoutMs)
    const response = await request(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'request-id': requestId },
      body,
      signal,
      dispatcher: this.#agent,
    })
    if (response.statusCode !== 200) {
      await response.body.dump()
      const message = `the Cannon answered ${response.statusCode}`
      throw response.statusCode >= 500 ? new Error(message) : new BadAnswer(message)
    }
    const text = await response.body.text()
    const parsed = bulkPushResponse.safeParse(parseJson(text))
    if (!parsed.success) throw new BadAnswer('the Cannon answered something that is no bulk push response')
    return parsed.data
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
