// plan: what the lab is asked to do. Pure.

import { parseArgs } from 'node:util'
import { variants } from './variants/index.mjs'

export const modes = ['kill', 'freeze', 'silent', 'none'] as const
export type Mode = (typeof modes)[number]

export interface Timing {
  warmUpMs: number
  baselineMs: number
  outageMs: number
  settleMs: number
  /** How long what is still open is waited for at the end. */
  drainLimitMs: number
}

export interface PlannedRun {
  variant: string
  rate: number
  /** Followed by a heap census. */
  census: boolean
}

export interface Plan {
  mode: Mode
  runs: PlannedRun[]
  timing: Timing
  out: string
  from: string[] | null
  baseRequestsPerSec: number
}

export class UsageError extends Error {}

/** 1x: with two recipients a push and three websockets each, some fifty messages a second. */
export const baseRequestsPerSec = 10

const long: Timing = { warmUpMs: 3000, baselineMs: 5000, outageMs: 12_000, settleMs: 7000, drainLimitMs: 12_000 }
const quick: Timing = { warmUpMs: 1000, baselineMs: 2000, outageMs: 4500, settleMs: 2000, drainLimitMs: 4000 }
const slotwiseRates = [1, 10, 100]
const comparedRate = 10
const censusWhenQuick = ['slotwise', 'faulty-model']

export const help = `npm run lab [-- options]

The outage lab. A Redis Cluster of six servers on 127.0.0.1, a push service (examples/gundeck) in a process of its own, two websocket servers,
their users, and a load that never stops; then every server is stopped, and started again; twice. Ten times a second it is noted
what the service holds: memory, sockets, waiting calls. Ends with an HTML report and, for slotwise, with verdicts.

  --quick               less than three minutes: slotwise at 1x, 10x and 100x, ioredis and the faulty model at 10x,
                        outages of 4.5 s instead of 12 s
  --variants A,B        ${Object.keys(variants).join(', ')}
  --rates 1x,10x        for each variant (default: 1x, 10x and 100x for slotwise, 10x for the others); 1x is ${baseRequestsPerSec} requests/s
  --rate 10x            the same for one rate
  --mode MODE           kill    the servers are killed (default)
                        freeze  the servers are stopped (SIGSTOP): connections stand, nobody answers
                        silent  their packets are dropped (nftables, in a network namespace of the lab's own;
                                where that may not be, proxies swallow everything)
                        none    nothing is done to them: the control that the others are compared with
  --outage SECONDS      how long the servers are away
  --no-census           without heap censuses, for which a run is done again at one rate of each variant
  --out FOLDER          where report.html and data.json go (default: lab-report)
  --from A.json,B.json  makes one report of earlier runs' data, and measures nothing
  --help

Exit status: 0 when every promise holds, 1 when one does not, 2 when the lab could not be run.
`

/** @throws UsageError */
export function planOf(args: readonly string[]): Plan | null {
  let values: ReturnType<typeof parse>
  try {
    values = parse(args)
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
  if (values.help === true) return null
  const mode = values.mode as Mode
  if (!modes.includes(mode)) throw new UsageError(`--mode ${mode}: not one of ${modes.join(', ')}`)
  const isQuick = values.quick === true
  const known = Object.keys(variants)
  const chosen = values.variants?.split(',') ?? (isQuick ? ['slotwise', 'ioredis', 'faulty-model'] : known)
  for (const name of chosen)
    if (!known.includes(name)) throw new UsageError(`--variants ${name}: not one of ${known.join(', ')}`)
  const asked = values.rates ?? values.rate
  const rates = asked === undefined ? null : asked.split(',').map(rateOf)
  const runs = chosen.flatMap(variant => {
    const all = rates ?? (variant === 'slotwise' ? slotwiseRates : [comparedRate])
    const counted = all.includes(comparedRate) ? comparedRate : all[0]
    const wanted = values['no-census'] !== true && (!isQuick || censusWhenQuick.includes(variant))
    return all.map((rate): PlannedRun => ({ variant, rate, census: wanted && rate === counted }))
  })
  return {
    mode,
    runs,
    timing: {
      ...(isQuick ? quick : long),
      ...(values.outage !== undefined && { outageMs: outageMsOf(values.outage) }),
    },
    out: values.out,
    from: values.from?.split(',') ?? null,
    baseRequestsPerSec,
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h' },
      quick: { type: 'boolean' },
      variants: { type: 'string' },
      rates: { type: 'string' },
      rate: { type: 'string' },
      mode: { type: 'string', default: 'kill' },
      'no-census': { type: 'boolean' },
      outage: { type: 'string' },
      out: { type: 'string', default: 'lab-report' },
      from: { type: 'string' },
    },
  }).values
}

function outageMsOf(text: string): number {
  const seconds = Number(text)
  if (!(seconds >= 1 && seconds <= 600)) throw new UsageError(`--outage ${text}: seconds, from 1 to 600`)
  return seconds * 1000
}

function rateOf(text: string): number {
  const rate = Number(text.trim().replace(/x$/, ''))
  if (!(rate > 0 && rate <= 1000)) throw new UsageError(`--rates ${text}: a multiple such as 10x, at most 1000x`)
  return rate
}
