// TopologyNews: who is told that another topology is in use: the client's user, and whoever looks on.

import { type Origin, type TopologyChange, topologyChannel } from '../observe.js'
import type { TopologyListener } from '../topology/topology.js'
import type { ClientObserver } from './observer.js'

export function topologyNews(observer: ClientObserver, origin: Origin): TopologyListener {
  const tell = (change: TopologyChange) => {
    observer.onTopologyChanged?.(change)
    if (topologyChannel.hasSubscribers) topologyChannel.publish({ client: origin, ...change })
  }
  return {
    onNodeAdded: node => observer.onNodeAdded?.(node),
    onNodeRemoved: node => observer.onNodeRemoved?.(node),
    watchesChanges: () => topologyChannel.hasSubscribers || observer.watchesTopology?.() === true,
    // What a listener throws is its own affair, and must not end what we are doing here.
    onChanged: change => process.nextTick(tell, change),
  }
}
