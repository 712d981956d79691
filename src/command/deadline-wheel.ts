// DeadlineWheel: one timer for the deadlines of every call.
// Owns    a ring of buckets, each a ring of links threaded through the entries, and one timer while any entry is in it.
// Born    with the client.
// Dies    by itself: with no entries there is no timer.
// Holds   an entry is in at most one bucket; none expires before its deadline; adding and removing cost O(1).

/** A place in the ring of a bucket: an entry, or the bucket itself, where the ring begins and ends. */
export interface Link {
  wheelPrevious: Link | null
  wheelNext: Link | null
}

/** What the wheel needs of an entry: the links are the wheel's, the rest is the entry's. */
export interface Deadlined extends Link {
  /** When it was made, in milliseconds of the client's clock. */
  readonly createdAt: number
  /** When it expires, in the same clock. */
  deadlineAt: number
  /** Called once, after the entry has left the wheel. `now` is the reading its time was found over by. */
  onDeadline(now: number): void
}

/** Resolution: a deadline is met at most two ticks (plus what the event loop is late) after it is due. */
export const tickMs = 20
const bucketCount = 1024
const bucketMask = bucketCount - 1

export class DeadlineWheel<Entry extends Deadlined> {
  readonly #buckets: Link[] = Array.from({ length: bucketCount }, emptyRing)
  /** The deadline that was looked up last, and its bucket. */
  #lastAt = -1
  #lastBucket = this.#buckets[0] as Link
  #size = 0
  #timer: NodeJS.Timeout | null = null
  #timerDueAt = 0
  /** The last tick whose bucket was looked at. */
  #tick = 0
  /** When buckets were last looked at; what was made since may carry a clock reading from before a stall of the loop. */
  #sweptAt = 0

  get size(): number {
    return this.#size
  }

  /** Puts the entry under its `deadlineAt`. `now` is the client's clock. */
  add(entry: Entry, now: number): void {
    if (this.#timer === null) this.#start(now)
    const at = Math.max(entry.deadlineAt, now)
    // Calls of one turn nearly all have one deadline.
    if (at !== this.#lastAt) {
      this.#lastAt = at
      // Rounded up, so that the bucket lies ahead of the sweep and everything in it is due when it is swept.
      this.#lastBucket = this.#buckets[(Math.floor(at / tickMs) + 1) & bucketMask] as Link
    }
    const bucket = this.#lastBucket
    const last = bucket.wheelPrevious as Link
    entry.wheelPrevious = last
    entry.wheelNext = bucket
    last.wheelNext = entry
    bucket.wheelPrevious = entry
    this.#size++
  }

  /** Takes the entry out; does nothing when it is in no bucket. */
  remove(entry: Entry): void {
    const previous = entry.wheelPrevious
    const next = entry.wheelNext
    if (previous === null || next === null) return
    previous.wheelNext = next
    next.wheelPrevious = previous
    entry.wheelPrevious = null
    entry.wheelNext = null
    this.#size--
  }

  #start(now: number): void {
    this.#tick = Math.floor(now / tickMs)
    this.#sweptAt = now
    this.#arm()
  }

  #arm(): void {
    this.#timerDueAt = performance.now() + tickMs
    this.#timer = setTimeout(this.#onTimer, tickMs)
  }

  // After a stall of the event loop timers run before the sockets are read. Replies that have already arrived must win
  // against deadlines, so the sweep itself waits until this turn's I/O is done.
  readonly #onTimer = (): void => {
    setImmediate(this.#sweep)
  }

  readonly #sweep = (): void => {
    const exact = performance.now()
    const now = Math.floor(exact)
    const lateMs = Math.ceil(Math.max(0, exact - this.#timerDueAt))
    const lastTick = Math.floor(now / tickMs)
    // Every bucket is looked at once at the most, however long the loop stood still.
    const firstTick = Math.max(this.#tick + 1, lastTick - bucketCount + 1)
    for (let tick = firstTick; tick <= lastTick; tick++)
      this.#sweepBucket(this.#buckets[tick & bucketMask] as Link, now, lateMs)
    this.#tick = Math.max(this.#tick, lastTick)
    this.#sweptAt = now
    if (this.#size === 0) this.#timer = null
    else this.#arm()
  }

  #sweepBucket(bucket: Link, now: number, lateMs: number): void {
    let due: Entry[] | null = null
    for (let link = bucket.wheelNext as Link; link !== bucket; link = link.wheelNext as Link) {
      const entry = link as Entry
      if (entry.deadlineAt <= now) (due ??= []).push(entry)
    }
    if (due === null) return
    for (const entry of due) {
      // An earlier onDeadline() may have settled this one, too.
      if (entry.wheelNext === null) continue
      this.remove(entry)
      if (lateMs > 2 * tickMs && entry.createdAt >= this.#sweptAt) {
        // Made in a turn that stood still: its clock reading may be as old as the stall was long.
        entry.deadlineAt += lateMs
        this.add(entry, now)
        continue
      }
      entry.onDeadline(now)
    }
  }
}

function emptyRing(): Link {
  const ring: Link = { wheelPrevious: null, wheelNext: null }
  ring.wheelPrevious = ring
  ring.wheelNext = ring
  return ring
}
