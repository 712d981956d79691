// ScanPlan: which nodes a scan of a whole cluster has to go through, and which once more because keys may have come to them. Pure.
//
// A scan goes in rounds. Before the first and after each one, every primary says what it holds; whoever may have received keys in
// between is gone through again in the next round, for the slots concerned. Why that finds every key which is there from beginning to end:
//
// - A key that stays on one node while that node is gone through is returned (SCAN command page, "Scan guarantees").
// - A key that has not been returned in a round has moved during it, so it is now on a node that received keys. A node receives keys of a
//   slot while it imports that slot, or by becoming the slot's owner (a replica that was promoted). Each of the two shows: the slot is
//   importing before or after, is owned now and was not before, or has been away and come back, which needs a new configuration epoch.
// - So when nobody has received keys during a round, there is none left.
//
// A slot whose move is open for long is settled by one round in that the node which it leaves is gone through from end to end before the
// node which it goes to: a key is found on the first, or has reached the second in time.

import { type ClusterNode, type Ownership, SlotSet } from '../topology/ownership.js'

/** A node to go through. */
export interface ScanTask {
  /** Its id. */
  readonly id: string
  /** Keys of these slots are wanted; null for all. */
  readonly slots: SlotSet | null
}

export interface ScanRound {
  /** Gone through first, in any order. */
  readonly sources: readonly ScanTask[]
  /** Gone through when all of the others are. */
  readonly targets: readonly ScanTask[]
  /** Names of moves whose keys have all been found, however long they stay open. */
  readonly settled: ReadonlySet<string>
}

export function firstRound(ownership: Ownership): ScanRound {
  return { sources: [], targets: [...ownership.keys()].map(id => ({ id, slots: null })), settled: new Set() }
}

/**
 * What is left to do after a round.
 *
 * @param round what was to be gone through
 * @param failed the tasks of it that were not brought to their end
 * @param before what the primaries said before the round
 * @param after what they say now
 * @returns null when every key that has been there all the time has been found
 */
export function nextRound(
  round: ScanRound,
  failed: ReadonlySet<ScanTask>,
  before: Ownership,
  after: Ownership,
): ScanRound | null {
  const sources = new Tasks(after)
  const targets = new Tasks(after)
  for (const task of round.sources) if (failed.has(task)) sources.add(task.id, task.slots)
  for (const task of round.targets) if (failed.has(task)) targets.add(task.id, task.slots)
  for (const node of after.values()) {
    const received = receivedBy(node, before.get(node.id))
    if (received === null || !received.isEmpty) targets.add(node.id, received)
  }
  const settled = new Set<string>()
  const openBefore = movesOf(before)
  const openAfter = movesOf(after)
  for (const [name, move] of new Map([...openBefore, ...openAfter])) {
    const stayedOpen = openBefore.has(name) && openAfter.has(name)
    const unchanged = stayedOpen && isSame(move.from, before, after) && isSame(move.to, before, after)
    const wasFollowed =
      (!after.has(move.from) || wasDone(round.sources, move.from, move.slot, failed)) &&
      (!after.has(move.to) || wasDone(round.targets, move.to, move.slot, failed))
    if (unchanged && (wasFollowed || round.settled.has(name))) settled.add(name)
    else {
      sources.addSlot(move.from, move.slot)
      targets.addSlot(move.to, move.slot)
    }
  }
  const next = { sources: sources.all(), targets: targets.all(), settled }
  return next.sources.length + next.targets.length === 0 ? null : next
}

/**
 * Slots that it owns and did not own before. Null, for all of its keys, where that is not enough: it was no primary before, or was none
 * in between, or may have given slots away and got them back.
 */
function receivedBy(node: ClusterNode, before: ClusterNode | undefined): SlotSet | null {
  if (before === undefined || before.epoch !== node.epoch) return null
  return new SlotSet().addRanges(node.ranges).without(new SlotSet().addRanges(before.ranges))
}

interface Move {
  readonly slot: number
  readonly from: string
  readonly to: string
}

/** Moves that are under way, as either side tells it. */
function movesOf(ownership: Ownership): Map<string, Move> {
  const moves = new Map<string, Move>()
  const add = (slot: number, from: string, to: string) => moves.set(`${slot} ${from} ${to}`, { slot, from, to })
  for (const { id, migrating, importing } of ownership.values()) {
    for (const [slot, to] of migrating) add(slot, id, to)
    for (const [slot, from] of importing) add(slot, from, id)
  }
  return moves
}

/** True as well when it is in neither: an end that has gone for good neither sends nor receives. */
function isSame(id: string, before: Ownership, after: Ownership): boolean {
  return before.get(id)?.epoch === after.get(id)?.epoch
}

function wasDone(tasks: readonly ScanTask[], id: string, slot: number, failed: ReadonlySet<ScanTask>): boolean {
  return tasks.some(task => task.id === id && !failed.has(task) && (task.slots === null || task.slots.has(slot)))
}

/** Tasks of one round, one a node, for nodes that are there. */
class Tasks {
  readonly #there: Ownership
  readonly #slots = new Map<string, SlotSet | null>()

  constructor(there: Ownership) {
    this.#there = there
  }

  add(id: string, slots: SlotSet | null): void {
    if (!this.#there.has(id)) return
    const known = this.#slots.get(id)
    if (slots === null || known === null) this.#slots.set(id, null)
    else if (known !== undefined) known.addAll(slots)
    else {
      const own = new SlotSet()
      own.addAll(slots)
      this.#slots.set(id, own)
    }
  }

  addSlot(id: string, slot: number): void {
    const slots = new SlotSet()
    slots.add(slot)
    this.add(id, slots)
  }

  all(): ScanTask[] {
    return [...this.#slots].map(([id, slots]) => ({ id, slots }))
  }
}

/**
 * True when nothing is missing: each slot that anybody says is owned is owned by a primary that has spoken for itself, and so is each
 * slot owned before; and each node that keys are on their way to has spoken.
 *
 * @param own what the primaries said of themselves
 * @param told every line that any of them said
 * @param before what was known before; null at the beginning
 */
export function isComplete(own: Ownership, told: readonly ClusterNode[], before: Ownership | null): boolean {
  const expected = new SlotSet()
  for (const { ranges } of told) expected.addRanges(ranges)
  if (before !== null) for (const { ranges } of before.values()) expected.addRanges(ranges)
  const spoken = new SlotSet()
  for (const { ranges } of own.values()) spoken.addRanges(ranges)
  if (!expected.without(spoken).isEmpty) return false
  const away = new Set(told.filter(({ isAway }) => isAway).map(({ id }) => id))
  for (const { migrating } of own.values()) {
    for (const to of migrating.values()) if (!own.has(to) && !away.has(to)) return false
  }
  return true
}
