// SlotsReplies: CLUSTER SLOTS replies of made-up clusters, as values and as RESP3 bytes.

export type SlotsEntry = [
  first: number,
  last: number,
  ...nodes: [host: string, port: number, id: string, metadata: unknown[]][],
]

const slotCount = 16384

function node(number: number, replica: boolean): SlotsNode {
  const id = (replica ? 'b' : 'a').repeat(32) + number.toString(16).padStart(8, '0')
  return [`10.${replica ? 1 : 0}.${number >> 8}.${number & 255}`, 6379, id, []]
}

/**
 * A reply with `ranges` ranges dealt to `primaries` primaries in turn, each with one replica. `shift` moves the border between
 * the first two ranges, so that two replies differ by one slot.
 */
export function slotsReply(primaries: number, ranges: number, shift = 0): SlotsEntry[] {
  return Array.from({ length: ranges }, (_, i) => {
    const border = (n: number) => Math.floor((n * slotCount) / ranges) + (n === 1 ? shift : 0)
    const owner = i % primaries
    return [border(i), border(i + 1) - 1, node(owner, false), node(owner, true)]
  })
}

/** The reply's bytes as a server sends them to a RESP3 client. */
export function encodeSlots(reply: SlotsEntry[]): Buffer {
  const parts: string[] = [`*${reply.length}\r\n`]
  for (const [first, last, ...nodes] of reply) {
    parts.push(`*${2 + nodes.length}\r\n:${first}\r\n:${last}\r\n`)
    for (const [host, port, id] of nodes) {
      parts.push(`*4\r\n$${host.length}\r\n${host}\r\n:${port}\r\n$${id.length}\r\n${id}\r\n*0\r\n`)
    }
  }
  return Buffer.from(parts.join(''))
}
