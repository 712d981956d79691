// Scripted servers: fake servers that say what every server is asked first, and nothing else but what their handler says.

import { FakeServer, type Handler, type Layout } from 'slotwise/testing'

/** The least a server can answer to HELLO 3. */
export const hello = '%2\r\n$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n$6\r\nmaster\r\n'

/** A server that is silent about everything but greetings and what the handler answers. */
export function startScripted(handler: Handler = () => undefined): Promise<FakeServer> {
  return FakeServer.start({ answers: 'greetings', handler })
}

/** Two scripted primaries with half the slots each, both of which know the layout. */
export async function startPair(): Promise<{ a: FakeServer; b: FakeServer; layout: Layout }> {
  const [a, b] = await Promise.all([startScripted(), startScripted()])
  const layout: Layout = [
    [0, 8191, a.port],
    [8192, 16383, b.port],
  ]
  a.layout = layout
  b.layout = layout
  return { a, b, layout }
}
