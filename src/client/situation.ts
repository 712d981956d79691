// Situation: why calls cannot be served, for the errors of those that are refused or expire. Pure.

import type { ErrorDetails } from '../errors.js'
import type { TopologyRefresher } from '../topology/refresher.js'
import type { Topology } from '../topology/topology.js'

/** The last refresh if it failed, else the last look-up of each seed and the last dial of each node. */
export function situationOf(topology: Topology, refresher: TopologyRefresher | null): ErrorDetails {
  const refreshError = refresher?.lastError
  if (refreshError != null) return { cause: refreshError }
  const dialErrors = topology.nodes.map(node => node.lastError).filter(error => error !== null)
  const errors = [...topology.lookupErrors, ...dialErrors]
  if (errors.length === 0) return {}
  if (errors.length === 1) return { cause: errors[0], ...(errors[0]?.endpoint && { endpoint: errors[0].endpoint }) }
  return { cause: new AggregateError(errors, errors.map(error => error.message).join('; ')) }
}
