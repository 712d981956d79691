// ServerVersion: which version a server is of. Pure.
// Source: HELLO and INFO command pages.

/** @returns the number before the first dot; 0 where there is none */
export function majorVersion(version: string): number {
  const digits = /^\d+/.exec(version)
  return digits === null ? 0 : Number(digits[0])
}

/** The version in the section `server` of INFO. Valkey goes on telling 7.2 as that of Redis, and its own besides; empty where neither is told. */
export function toldByInfo(info: string): string {
  const own = /^valkey_version:(.*)$/m.exec(info) ?? /^redis_version:(.*)$/m.exec(info)
  return own?.[1]?.trim() ?? ''
}
