// Argument: what a caller may pass after the command name, and how the few that steer the client are read.

/** One argument of a command. Strings are sent as UTF-8, numbers and bigints as their decimal string. */
export type Argument = string | Uint8Array | number | bigint

/** True when the argument is the given keyword (upper-case letters and digits) in any letter case. */
export function isKeyword(argument: Argument | undefined, keyword: string): boolean {
  if (typeof argument === 'string') {
    if (argument.length !== keyword.length) return false
    for (let i = 0; i < keyword.length; i++)
      if (!isSameLetter(argument.charCodeAt(i), keyword.charCodeAt(i))) return false
    return true
  }
  if (!(argument instanceof Uint8Array) || argument.length !== keyword.length) return false
  for (let i = 0; i < keyword.length; i++) if (!isSameLetter(argument[i] as number, keyword.charCodeAt(i))) return false
  return true
}

// Clearing bit 5 folds ASCII letters only; toUpperCase would also turn letters such as U+0131 into ASCII ones.
function isSameLetter(code: number, upper: number): boolean {
  return code === upper || (code & ~0x20) === upper
}

/** The number an argument spells, or NaN when the server would not read one. */
export function numberOf(argument: Argument | undefined): number {
  if (typeof argument === 'number') return argument
  if (typeof argument === 'bigint') return Number(argument)
  const text = shortText(argument)
  // Number() takes '' and surrounding blanks; the server does not.
  return text === '' || text.trim() !== text ? Number.NaN : Number(text)
}

/** The text of an argument that is short enough to be a number or a subcommand; '' for anything longer. */
export function shortText(argument: Argument | undefined): string {
  if (typeof argument === 'string') return argument.length <= 64 ? argument : ''
  if (!(argument instanceof Uint8Array) || argument.length > 64) return ''
  return Buffer.from(argument.buffer, argument.byteOffset, argument.length).toString('latin1')
}
