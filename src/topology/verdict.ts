// Verdict on answers: keep what we hold, install another view, or ask one more node. Pure.

import type { View } from './view.js'

export type ViewVerdict = { kind: 'unchanged' } | { kind: 'install'; view: View } | { kind: 'ask-more' }

/**
 * Judges what has been answered so far in one round.
 *
 * A view that covers nothing is never installed. A view that covers less than what we hold needs a second node that says
 * the same: a node that has just started, or sits on the wrong side of a partition, must not take slots away.
 *
 * @param held slots covered by the map in use; 0 before the first view
 * @param answers views in the order of arrival; `same` marks those equal to the view in use
 */
export function judge(held: number, answers: readonly { view: View; same: boolean }[]): ViewVerdict {
  const last = answers.at(-1)
  if (last === undefined) return { kind: 'ask-more' }
  if (last.same) return { kind: 'unchanged' }
  const { view } = last
  if (view.covered === 0) return { kind: 'ask-more' }
  if (view.covered >= held) return { kind: 'install', view }
  const agreeing = answers.filter(answer => answer.view.covered === view.covered)
  return agreeing.length >= 2 ? { kind: 'install', view } : { kind: 'ask-more' }
}
