// Srv: in which order the targets of SRV records are to be tried. Pure.
// Source: RFC 2782, "The format of the SRV RR", Priority and Weight.

import type { SrvRecord } from 'node:dns'

/**
 * Lower priorities first. Among those of one priority the order is drawn by lot, with chances in proportion to the weights; targets without a
 * weight come last, but for a small chance.
 *
 * @param random gives numbers in [0, 1)
 * @returns the records in another order; without the target `.`, which says that there is no such service
 */
export function orderSrv(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const offered = records.filter(({ name }) => name !== '' && name !== '.')
  const priorities = [...new Set(offered.map(({ priority }) => priority))].sort((a, b) => a - b)
  return priorities.flatMap(wanted =>
    drawByWeight(
      offered.filter(({ priority }) => priority === wanted),
      random,
    ),
  )
}

function drawByWeight(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  // Those without a weight stand in front: only the number 0 falls on them.
  const left = [...records].sort((a, b) => Math.min(a.weight, 1) - Math.min(b.weight, 1))
  const drawn: SrvRecord[] = []
  while (left.length !== 0) {
    const sum = left.reduce((total, { weight }) => total + weight, 0)
    const number = Math.floor(random() * (sum + 1))
    let running = 0
    const index = left.findIndex(({ weight }) => {
      running += weight
      return running >= number
    })
    drawn.push(...left.splice(index, 1))
  }
  return drawn
}
