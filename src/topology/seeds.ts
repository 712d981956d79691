// Seeds: where a client begins, and begins again once everybody it knows has failed: servers, and names that stand for some.
// Owns    the look-up of each name that is under way, its deadline, and the addresses that were found last.
// Born    with the Topology.
// Dies    by stop().
// Holds   one look-up of a name at a time, with backoff while nobody can be reached; what was found stays until something else is found.

import { type SrvRecord, resolveSrv as systemResolveSrv } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { type Endpoint, tcpEndpoint } from '../connection/endpoint.js'
import { addressesOf, failureOfLookup } from '../connection/lookup.js'
import { isLocalExhaustion, type SlotwiseError, stacklessError } from '../errors.js'
import { type BackoffOptions, backoffMs } from '../node/backoff.js'
import type { DialGate } from '../node/dial-gate.js'
import { pause, type Turn } from '../turn.js'
import { orderSrv } from './srv.js'

/** SRV records that name servers (RFC 2782): `_service._proto.name`. */
export interface SrvSeed {
  readonly srv: string
}

export type Seed = Endpoint | SrvSeed

/** As `dns.resolveSrv` of Node. */
export type ResolveSrv = (
  name: string,
  callback: (error: NodeJS.ErrnoException | null, records: SrvRecord[]) => void,
) => void

export interface SeedsContext {
  options: BackoffOptions & {
    dial: { lookup?: LookupFunction; family?: number }
    /** What a look-up may take, in milliseconds. */
    connectTimeoutMs: number
  }
  gate: DialGate
  turn: Turn
}

/** A seed, and what has been found out about it. */
interface Place {
  readonly seed: Seed
  endpoints: readonly Endpoint[]
  /** What has to be looked up; null for an address. */
  readonly name: string | null
  lookingUp: boolean
  /** Look-ups since somebody was reached through them. */
  attempts: number
  /** When the last look-up came to its end. */
  askedAt: number
  /** When the next one may begin. */
  againAt: number
  error: SlotwiseError | null
}

export class Seeds {
  #places: readonly Place[]
  readonly #context: SeedsContext
  readonly #resolveSrv: ResolveSrv
  readonly #onFound: () => void
  /** Deadlines of look-ups under way. */
  readonly #limits = new Set<AbortController>()
  #stopped = false

  /** @param onFound names have been looked up; they may have other addresses than before */
  constructor(seeds: readonly Seed[], context: SeedsContext, resolveSrv: ResolveSrv | undefined, onFound: () => void) {
    this.#places = seeds.map(toPlace)
    this.#context = context
    this.#resolveSrv = resolveSrv ?? systemResolveSrv
    this.#onFound = onFound
  }

  /** Other servers to begin with, which somebody has looked up. */
  fix(endpoints: readonly Endpoint[]): void {
    this.#places = endpoints.map(endpoint => ({ ...toPlace(endpoint), name: null, endpoints: [endpoint] }))
  }

  /** Servers to try, as far as they are known, in the order in which to try them. */
  get endpoints(): Endpoint[] {
    const found = new Map<string, Endpoint>()
    for (const { endpoints } of this.#places) {
      for (const endpoint of endpoints) if (!found.has(endpoint.key)) found.set(endpoint.key, endpoint)
    }
    return [...found.values()]
  }

  /** Names that could not be looked up the last time. */
  get errors(): SlotwiseError[] {
    return this.#places.map(({ error }) => error).filter(error => error !== null)
  }

  /** True while there may be servers that `endpoints` does not name yet. */
  get isIncomplete(): boolean {
    return this.#places.some(({ name, error, lookingUp }) => name !== null && (lookingUp || error !== null))
  }

  /** Somebody has been reached: the next outage begins with quick look-ups again. */
  onReached(): void {
    for (const place of this.#places) place.attempts = 0
  }

  /**
   * Looks names up whose turn it is.
   * @param exhausted whatever they stood for has been tried; else only those are asked again whose answer is old
   */
  lookUp(exhausted: boolean): void {
    const { gate, turn, options } = this.#context
    const now = turn.now()
    // A look-up takes descriptors, too.
    if (gate.remainingMs(now) > 0) return
    for (const place of this.#places) {
      if (place.name === null || place.lookingUp || now < place.againAt) continue
      if (exhausted || place.error !== null || now - place.askedAt >= options.backoffMaxMs) void this.#find(place)
    }
  }

  async #find(place: Place): Promise<void> {
    const { turn, options } = this.#context
    const startedAt = turn.now()
    place.lookingUp = true
    place.attempts++
    const over = new AbortController()
    this.#limits.add(over)
    const limit = pause(options.connectTimeoutMs, over.signal)
    let found: readonly Endpoint[] | null = null
    let failure: unknown = null
    try {
      found = (await Promise.race([this.#endpointsOf(place.seed), limit])) ?? null
    } catch (error) {
      failure = error
    }
    this.#limits.delete(over)
    over.abort()
    if (this.#stopped) return
    place.lookingUp = false
    place.error = found === null ? this.#failure(place, startedAt, failure) : null
    place.askedAt = turn.now()
    place.againAt = place.askedAt + backoffMs(place.attempts, options, Math.random())
    if (found === null) return
    place.endpoints = found
    this.#onFound()
  }

  async #endpointsOf(seed: Seed): Promise<Endpoint[]> {
    if (!('srv' in seed)) return this.#addressesOf(seed.host, seed.port)
    const records = await new Promise<SrvRecord[]>((resolve, reject) => {
      this.#resolveSrv(seed.srv, (error, found) => (error ? reject(error) : resolve(found)))
    })
    const targets = orderSrv(records, Math.random)
    if (targets.length === 0) throw new Error(`${seed.srv} names no server`)
    const found = await Promise.allSettled(targets.map(({ name, port }) => this.#addressesOf(name, port)))
    const endpoints = found.flatMap(outcome => (outcome.status === 'fulfilled' ? outcome.value : []))
    const failed = found.find(outcome => outcome.status === 'rejected')
    if (endpoints.length === 0 && failed !== undefined) throw failed.reason
    return endpoints
  }

  async #addressesOf(name: string, port: number): Promise<Endpoint[]> {
    if (isIP(name) !== 0) return [tcpEndpoint(name, port)]
    const { lookup, family } = this.#context.options.dial
    const addresses = await addressesOf(name, lookup, family)
    return addresses.map(address => ({ ...tcpEndpoint(address, port), servername: name }))
  }

  /** @param error null where nothing was told in time */
  #failure({ seed, name, attempts }: Place, startedAt: number, error: unknown): SlotwiseError {
    const { gate, turn, options } = this.#context
    const now = turn.now()
    const cause = failureOfLookup(error)
    const endpoint = 'srv' in seed ? seed.srv : seed.key
    const details = { endpoint, phase: 'dial' as const, attempts, elapsedMs: now - startedAt }
    if (error === null) {
      const message = `${name} was not looked up within ${options.connectTimeoutMs} ms`
      return stacklessError('SLOTWISE_CONNECT_TIMEOUT', message, details)
    }
    if (isLocalExhaustion(cause)) {
      gate.onExhausted(now)
      const message = `This host cannot look ${name} up (${(cause as NodeJS.ErrnoException).code})`
      return stacklessError('SLOTWISE_LOCAL_EXHAUSTION', message, { ...details, cause })
    }
    const message = `Cannot look up ${name}: ${cause instanceof Error ? cause.message : cause}`
    return stacklessError('SLOTWISE_CONNECT_FAILED', message, { ...details, cause })
  }

  /** Nothing is looked up any more, and nobody is told. */
  stop(): void {
    this.#stopped = true
    for (const limit of this.#limits) limit.abort()
  }
}

function toPlace(seed: Seed): Place {
  const name = 'srv' in seed ? seed.srv : isIP(seed.host) === 0 && seed.path === undefined ? seed.host : null
  return {
    seed,
    endpoints: name === null ? [seed as Endpoint] : [],
    name,
    lookingUp: false,
    attempts: 0,
    askedAt: -Infinity,
    againAt: 0,
    error: null,
  }
}
