// Verdict on answers: keep what we hold, install another view, or ask more. Pure.

import { type Claims, type Epochs, join } from './epochs.js'
import { sameView, type View } from './view.js'

/** What one node has answered in this round. */
export interface ViewAnswer {
  view: View
  /** It says what we hold. */
  same: boolean
  /** The configuration epochs that this node knows; undefined while it has not been asked, null when it does not tell. */
  epochs: Epochs | null | undefined
}

export type ViewVerdict<Answer extends ViewAnswer = ViewAnswer> =
  /** What we hold stands; `epochs` are those of its owners where they have been learnt. */
  | { kind: 'unchanged'; epochs: Epochs | null }
  | { kind: 'install'; view: View; epochs: Epochs | null }
  /** One more node. */
  | { kind: 'ask-more' }
  /** These nodes, how new their claims are. */
  | { kind: 'ask-epochs'; answers: readonly Answer[] }
  /** Nobody else can be asked, and nothing that was said can be believed. */
  | { kind: 'give-up' }

/**
 * Judges what has been answered so far in one round.
 *
 * A view that covers nothing is never installed. One that gives slots to nobody that somebody serves needs a second node that says
 * the same: a node that has just started, or sits on the wrong side of a partition, must not take slots away. Else the claims with the
 * greater epochs stand, slot by slot; where epochs are not known, what two nodes say; where only one can be asked, what covers
 * no less than what we hold.
 *
 * @param held the view in use; null before the first. Its epochs are null until they have been learnt
 * @param answers in the order of arrival
 * @param exhausted nobody else can be asked
 */
export function judge<Answer extends ViewAnswer>(
  held: { view: View; epochs: Epochs | null } | null,
  answers: readonly Answer[],
  exhausted: boolean,
): ViewVerdict<Answer> {
  const usable = answers.filter(({ view }) => view.covered !== 0)
  const last = usable.at(-1)
  if (last === undefined) return exhausted ? { kind: 'give-up' } : { kind: 'ask-more' }
  if (held === null) return { kind: 'install', view: last.view, epochs: last.epochs ?? null }

  const rivals = usable.filter(({ same }) => !same)
  const agreeing = usable.filter(({ same }) => same)
  const known = held.epochs ?? agreeing.find(({ epochs }) => epochs != null)?.epochs ?? null
  const rival = mostVoted(rivals)
  if (rival === null) return { kind: 'unchanged', epochs: known }
  const votes = rivals.filter(({ view }) => sameView(view, rival.view)).length
  const poll: Poll = { votes, against: agreeing.length, exhausted, unanimous: votes >= 2 && votes === usable.length }

  if (known === null) {
    // Two nodes contradict each other.
    const unasked = [rival, ...agreeing.slice(0, 1)].filter(({ epochs }) => epochs === undefined)
    if (agreeing.length !== 0 && unasked.length !== 0) return { kind: 'ask-epochs', answers: unasked }
    return byVotes(held.view, rival, poll)
  }
  if (rival.epochs === undefined) return { kind: 'ask-epochs', answers: [rival] }
  if (rival.epochs === null) return byVotes(held.view, rival, poll)
  return byEpochs({ view: held.view, epochs: known }, rival as Answer & Claims, poll)
}

/** How the nodes asked have voted on the view in question. */
interface Poll {
  votes: number
  /** Those who say what we hold. */
  against: number
  /** Nobody else can be asked. */
  exhausted: boolean
  /** At least two, and nobody says anything else. */
  unanimous: boolean
}

function byEpochs(
  held: Claims,
  rival: ViewAnswer & Claims,
  { votes, against, exhausted, unanimous }: Poll,
): ViewVerdict<never> {
  const { view, epochs, newer, older, lost } = join(held, rival)
  if (older === 0 && lost === 0) return { kind: 'install', view, epochs }
  // Slots that are gone, by the word of two nodes.
  if (older === 0 && votes >= 2) return { kind: 'install', view: rival.view, epochs: rival.epochs }
  // Part of it is news.
  if (newer !== 0) return { kind: 'install', view, epochs }
  if (against !== 0) return { kind: 'unchanged', epochs: held.epochs }
  if (!exhausted) return { kind: 'ask-more' }
  // Everybody who can be asked has taken back what we hold: somebody has changed the cluster by hand.
  if (unanimous) return { kind: 'install', view: rival.view, epochs: rival.epochs }
  return lost === 0 ? { kind: 'unchanged', epochs: held.epochs } : { kind: 'give-up' }
}

function byVotes(held: View, rival: ViewAnswer, { votes, against, exhausted }: Poll): ViewVerdict<never> {
  const { view } = rival
  const installed = { kind: 'install', view, epochs: rival.epochs ?? null } as const
  if (votes >= 2 && votes > against) return installed
  if (!exhausted) return { kind: 'ask-more' }
  if (view.covered < held.covered) return against === 0 ? { kind: 'give-up' } : { kind: 'unchanged', epochs: null }
  if (votes > against || view.covered > held.covered) return installed
  return { kind: 'unchanged', epochs: null }
}

/** Of the views that most nodes have, the one told last. */
function mostVoted<Answer extends ViewAnswer>(answers: readonly Answer[]): Answer | null {
  let best: Answer | null = null
  let most = 0
  for (const answer of answers) {
    const votes = answers.filter(({ view }) => sameView(view, answer.view)).length
    if (votes < most) continue
    // Of several who say the same, one that has told its epochs.
    if (best !== null && votes === most && sameView(best.view, answer.view) && best.epochs != null) continue
    best = answer
    most = votes
  }
  return best
}
