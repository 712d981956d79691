// History: what callers were told, against what the servers hold in the end. Pure.

/** One write: `token` was appended to the list of `key`. Times are microseconds of the machine's monotonic clock. */
export interface Write {
  key: string
  /** Greater than that of every write to the key that the caller had made before. */
  token: number
  from: number
  to: number
  /** `acked`: the caller was told that it is done. `open`: it was told nothing to the end. Else the error's code. */
  outcome: string
  /** The error says that it may have run. */
  maybe?: boolean
}

export interface Verdict {
  acked: number
  failed: number
  /** Of those, the ones that were said not to have run, and have not. */
  withdrawn: number
  /** Calls whose promise never settled. */
  open: number
  /** Acknowledged, and not there: nobody's fault but the client's. */
  lost: Write[]
  /** Acknowledged by a primary that went before it had passed them on: Redis loses these. */
  lostByRedis: number
  /** There more than once: `key#token`. */
  duplicates: string[]
  /** Acknowledged writes of one key that stand in another order than that in which they were made. */
  disordered: string[]
  /** The caller was told that it certainly did not run, and it did. */
  denied: Write[]
  /** Carried out after the caller had been told that it failed: after writes that were made later. */
  late: Write[]
}

/** Appended to every list once all clients have been told everything: what stands behind it came late. */
export const seal = -1

/** A primary went at `goneAt`; what it had acknowledged after `safeUntil` need not have been replicated. */
export interface Gone {
  keys: ReadonlySet<string>
  safeUntil: number
  goneAt: number
}

/**
 * @param lists what the servers hold, by key
 * @param gone primaries that went with what only they knew
 */
export function check(
  writes: readonly Write[],
  lists: ReadonlyMap<string, readonly number[]>,
  gone: readonly Gone[],
): Verdict {
  const verdict: Verdict = {
    acked: 0,
    failed: 0,
    withdrawn: 0,
    open: 0,
    lost: [],
    lostByRedis: 0,
    duplicates: [],
    disordered: [],
    denied: [],
    late: [],
  }
  const places = new Map<string, Map<number, number>>()
  for (const [key, tokens] of lists) {
    const place = new Map<number, number>()
    for (const [i, token] of tokens.entries()) {
      if (place.has(token)) verdict.duplicates.push(`${key}#${token}`)
      else place.set(token, i)
    }
    places.set(key, place)
  }
  verdict.late = lateOnes(writes, lists)
  const last = new Map<string, number>()
  for (const write of [...writes].sort((a, b) => a.token - b.token)) {
    const at = places.get(write.key)?.get(write.token)
    if (write.outcome === 'open') verdict.open++
    else if (write.outcome !== 'acked') {
      verdict.failed++
      if (write.maybe === false && at === undefined) verdict.withdrawn++
      if (write.maybe === false && at !== undefined) verdict.denied.push(write)
    } else {
      verdict.acked++
      if (at === undefined) {
        if (
          gone.some(
            ({ keys, safeUntil, goneAt }) => keys.has(write.key) && write.to >= safeUntil && write.from <= goneAt,
          )
        )
          verdict.lostByRedis++
        else verdict.lost.push(write)
        continue
      }
      if (at < (last.get(write.key) ?? -1)) verdict.disordered.push(`${write.key}#${write.token}`)
      last.set(write.key, Math.max(at, last.get(write.key) ?? -1))
    }
  }
  return verdict
}

/**
 * Writes that were given up and carried out nevertheless, after one to the same key that began only then. A list cannot tell more: what was
 * carried out after its failure and before the next write is not found.
 */
function lateOnes(writes: readonly Write[], lists: ReadonlyMap<string, readonly number[]>): Write[] {
  const byPlace = new Map<string, Map<number, Write>>()
  for (const write of writes) {
    let own = byPlace.get(write.key)
    if (own === undefined) byPlace.set(write.key, (own = new Map()))
    own.set(write.token, write)
  }
  const late = new Set<Write>()
  for (const [key, tokens] of lists) {
    let latestStart = -Infinity
    for (const token of tokens) {
      const write = byPlace.get(key)?.get(token)
      if (token === seal) latestStart = Infinity
      if (write === undefined) continue
      const failed = write.outcome !== 'acked' && write.outcome !== 'open'
      if (failed && write.to <= latestStart) late.add(write)
      latestStart = Math.max(latestStart, write.from)
    }
  }
  return [...late]
}

/** The longest time without a success among the writes to the keys, in milliseconds, between two moments. */
export function longestSilenceMs(
  writes: readonly Write[],
  keys: ReadonlySet<string>,
  from: number,
  to: number,
): number {
  const times = writes
    .filter(({ outcome, key, to: at }) => outcome === 'acked' && keys.has(key) && at >= from && at <= to)
    .map(({ to: at }) => at)
  let longest = 0
  let before = from
  for (const at of [...times, to].sort((a, b) => a - b)) {
    longest = Math.max(longest, at - before)
    before = at
  }
  return longest / 1000
}

/** Milliseconds from `since` to the first success of a write to one of the keys; null for none. */
export function firstSuccessMs(writes: readonly Write[], keys: ReadonlySet<string>, since: number): number | null {
  let first = Infinity
  for (const { outcome, key, to } of writes)
    if (outcome === 'acked' && keys.has(key) && to >= since && to < first) first = to
  return first === Infinity ? null : (first - since) / 1000
}
