// Types: the first bytes of RESP, and the two that end a line.

export const cr = 0x0d
export const lf = 0x0a

/** First bytes of everything that has no elements. */
export const Type = {
  simpleString: 0x2b,
  error: 0x2d,
  integer: 0x3a,
  bulk: 0x24,
  null: 0x5f,
  boolean: 0x23,
  double: 0x2c,
  bigNumber: 0x28,
  blobError: 0x21,
  verbatim: 0x3d,
  /** Part of a streamed string. */
  chunk: 0x3b,
  /** End of a streamed aggregate. */
  end: 0x2e,
} as const

/** First bytes of what has elements. */
export const Aggregate = { array: 0x2a, map: 0x25, set: 0x7e, push: 0x3e, attribute: 0x7c } as const

const known = new Uint8Array(256)
for (const type of [...Object.values(Type), ...Object.values(Aggregate)]) known[type] = 1

export function isKnown(type: number): boolean {
  return known[type] === 1
}

export function isAggregate(type: number): boolean {
  return (
    type === Aggregate.array ||
    type === Aggregate.map ||
    type === Aggregate.set ||
    type === Aggregate.push ||
    type === Aggregate.attribute
  )
}

/** True for aggregates whose announced length counts pairs. */
export function isPairs(type: number): boolean {
  return type === Aggregate.map || type === Aggregate.attribute
}

/** True for the five types that RESP2 has. */
export function isResp2(type: number): boolean {
  return (
    type === Type.simpleString ||
    type === Type.error ||
    type === Type.integer ||
    type === Type.bulk ||
    type === Aggregate.array
  )
}
