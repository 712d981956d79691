// ReadyCheck: whether a server that has taken a connection can serve calls. Pure.
// Source: INFO command page, section "persistence".

/** The fields of an INFO reply; empty for anything else. */
export function parseInfo(reply: unknown): Record<string, string> {
  const info: Record<string, string> = {}
  if (typeof reply !== 'string') return info
  for (const line of reply.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0 && colon < line.length - 1) info[line.slice(0, colon)] = line.slice(colon + 1)
  }
  return info
}

/**
 * How long to wait before asking again, in milliseconds; 0 when the server is not loading.
 * @param maxMs the longest such wait; 0 for no limit
 */
export function loadingMs(info: Readonly<Record<string, string>>, maxMs: number): number {
  if (info.loading === undefined || info.loading === '0') return 0
  const etaMs = Math.max(1, Number(info.loading_eta_seconds) || 1) * 1000
  return maxMs > 0 ? Math.min(etaMs, maxMs) : etaMs
}
