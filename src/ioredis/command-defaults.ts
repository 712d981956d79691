// CommandDefaults: what few commands have, as all others have it: it stands on the prototype until it is set.

export const commandDefaults = {
  errorStack: undefined,
  isReadOnly: false,
  inTransaction: false,
  ignore: false,
  hasBuffers: false,
  replyMapping: 'legacy',
  knownScripts: null,
  isTraced: false,
  isResolved: false,
  isSettled: false,
  stringNumbers: false,
  blockingTimeoutMs: 0,
  settleError: null,
  keys: undefined,
  slot: undefined,
  ownResolve: null,
  ownReject: null,
} as const
