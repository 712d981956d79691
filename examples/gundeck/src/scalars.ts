// Scalars: the small values of the wire format, as zod schemas that give their canonical form.

import { z } from 'zod'

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const hexForm = /^[0-9a-f]+$/i
/** A header carries it back, so nothing but visible ASCII. */
const visibleForm = /^[\x21-\x7e]+$/

export const uuid = z.string().regex(uuidForm, 'must be a UUID').toLowerCase()

/** 64 bits in hexadecimal digits; small, without leading zeros. */
export function parseClientId(text: string): string | null {
  if (!hexForm.test(text)) return null
  const digits = text.toLowerCase().replace(/^0+(?=.)/, '')
  return digits.length <= 16 ? digits : null
}

export const clientId = z.string().transform((text, context) => {
  const id = parseClientId(text)
  if (id !== null) return id
  context.addIssue({ code: 'custom', message: 'must be at most 64 bits in hexadecimal digits' })
  return z.NEVER
})

export function isAbsoluteUri(text: string): boolean {
  return visibleForm.test(text) && URL.canParse(text)
}

/** A password in it is not repeated to anybody. */
export const resource = z
  .string()
  .refine(isAbsoluteUri, 'must be an absolute URI')
  .transform(uri => uri.replace(/^([^:/?#]+:\/\/[^/?#@:]*):[^/?#@]*@/, '$1:...@'))

export const integer = z.number().refine(Number.isInteger, 'must be an integer')

/** Left out, or null. */
export function optional<Schema extends z.ZodType>(schema: Schema) {
  return schema.nullish().transform(value => value ?? undefined)
}

/** Left out or null: the default. */
export function withDefault<Schema extends z.ZodType>(schema: Schema, otherwise: z.output<Schema>) {
  return schema.nullish().transform(value => (value ?? otherwise) as z.output<Schema>)
}

/** One line that says what is wrong, without the values. */
export function describeIssues(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`).join('; ')
}
