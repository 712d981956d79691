// Clients: what a file of tests makes, and what must be left of it after each test: nothing.

import { type Client, type ClientOptions, createClient, SlotwiseError } from 'slotwise/core'
import { afterEach, expect } from 'vitest'
import { eventually, expectClean, expectSettled, socketFdsTo } from './settled.js'

interface Closable {
  readonly port?: number
  close?(): Promise<void>
  stop?(): Promise<void>
}

export interface UnderTest {
  /** A client that is closed and examined after the test. */
  client(options: ClientOptions): Client
  /** A server of one test, ended after the clients. */
  keep<Server extends Closable>(server: Server): Server
}

/** Registers what follows each test: every client closed, everything settled, no socket left, own servers ended. */
export function useClients(): UnderTest {
  let clients: Client[] = []
  let servers: Closable[] = []
  const ports = new Set<number>()

  afterEach(async () => {
    const [endedClients, endedServers] = [clients, servers]
    clients = []
    servers = []
    try {
      for (const client of endedClients) {
        expectSettled(client)
        await client.close()
        expectClean(client)
      }
    } finally {
      for (const server of endedServers) await (server.close?.() ?? server.stop?.())
    }
    await eventually(() => expect(socketFdsTo([...ports]), 'sockets left open').toBe(0))
    ports.clear()
  })

  return {
    client(options) {
      const client = createClient(options)
      clients.push(client)
      return client
    },
    keep(server) {
      servers.push(server)
      if (server.port !== undefined) ports.add(server.port)
      return server
    },
  }
}

/** What the call rejects with; fails when it does not. */
export async function failureOf(call: Promise<unknown>): Promise<SlotwiseError> {
  const outcome = await call.then(
    value => ({ value }),
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(Error)
  return outcome as SlotwiseError
}

/** What the function throws, there and then; fails when it does not, or throws something else than a SlotwiseError. */
export function thrownBy(run: () => unknown): SlotwiseError {
  let thrown: unknown = null
  try {
    const result = run()
    // A promise that rejects is not what was asked for, but must not end the process either.
    if (result instanceof Promise) result.catch(() => undefined)
  } catch (error) {
    thrown = error
  }
  expect(thrown, 'thrown at once').toBeInstanceOf(SlotwiseError)
  return thrown as SlotwiseError
}

/** Codes of an error and of everything beneath it, outermost first. */
export function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return []
  const { code, cause } = error as SlotwiseError
  const beneath = error instanceof AggregateError ? error.errors.flatMap(codesOf) : codesOf(cause)
  return [...(code === undefined ? [] : [code]), ...beneath]
}
