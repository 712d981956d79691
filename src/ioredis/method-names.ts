// MethodNames: the commands that there is a method for.

import { commandNames } from '../core.js'

/** Names that ioredis has methods for, and the command table does not know yet. They are taken to have their key first. */
const newerCommands = (
  'arcount ardel ardelrange arget argetrange argrep arinfo arinsert arlastitems arlen armget armset arnext arop arring arscan arseek ' +
  'arset backup blmovem himport hotkeys increx lmovem sdiffcard sentinel sunioncard trimslots xcfgset xidmprecord xnack'
).split(' ')

/** Every command there is a method for, in lower case. */
export const methodNames: readonly string[] = [
  ...new Set([...commandNames().map(name => name.toLowerCase()), ...newerCommands]),
].filter(name => /^[a-z0-9_-]+$/.test(name) && name !== 'monitor')

const known = new Set([...methodNames, 'monitor'])

/** True when there is a method of that name, in whatever letter case. */
export function hasMethod(name: string): boolean {
  return known.has(name.toLowerCase())
}
