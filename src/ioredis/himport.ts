// Himport: the fieldsets of HIMPORT, an experimental command of servers newer than any that this client is tested with. Pure.

export interface HimportFieldset {
  readonly name: string | Buffer
  readonly fields: readonly (string | Buffer)[]
}

function isName(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value)
}

/**
 * A copy that cannot be changed.
 * @throws TypeError where a fieldset is malformed, or two have one name
 */
export function frozenFieldsets(given: unknown): readonly HimportFieldset[] {
  if (!Array.isArray(given)) throw new TypeError('himportFieldsets must be an array')
  const names = new Set<string>()
  const copies = given.map((fieldset: unknown) => {
    if (typeof fieldset !== 'object' || fieldset === null)
      throw new TypeError('Each HIMPORT fieldset must be an object')
    const { name, fields } = fieldset as Record<string, unknown>
    if (!isName(name)) throw new TypeError('Each HIMPORT fieldset name must be a string or Buffer')
    if (!Array.isArray(fields)) throw new TypeError('Each HIMPORT fieldset fields value must be an array')
    if (!fields.every(isName)) throw new TypeError('Each HIMPORT field must be a string or Buffer')
    const key = Buffer.from(name as string).toString('latin1')
    if (names.has(key)) throw new TypeError('Duplicate HIMPORT fieldset name')
    names.add(key)
    return Object.freeze({ name, fields: Object.freeze([...fields]) as readonly (string | Buffer)[] })
  })
  return Object.freeze(copies)
}
