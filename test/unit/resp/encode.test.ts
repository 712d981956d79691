import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeReply } from '../../../src/resp/decode-reply.js'
import { FrameWriter, utf8Length, type WireArgument } from '../../../src/resp/encode.js'

const argument: fc.Arbitrary<WireArgument> = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.uint8Array({ maxLength: 3000 }),
  fc.uint8Array({ maxLength: 20 }).map(bytes => Buffer.from(bytes)),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.bigInt(),
)

/** The bytes an argument stands for. */
function bytesOf(arg: WireArgument): Buffer {
  return typeof arg === 'object' ? Buffer.from(arg) : Buffer.from(String(arg))
}

function written(writer: FrameWriter): Buffer {
  const pieces = writer.take().map(({ data, encoding }) => {
    if (typeof data !== 'string') return Buffer.from(data)
    // Latin-1 would cut a character that is not ASCII.
    if (encoding === 'latin1') expect(Buffer.byteLength(data)).toBe(data.length)
    return Buffer.from(data, encoding)
  })
  return Buffer.concat(pieces)
}

describe('FrameWriter', () => {
  it('writes frames that decode to the bytes of their arguments, any number in a row', () => {
    fc.assert(
      fc.property(fc.array(fc.array(argument, { maxLength: 6 }), { minLength: 1, maxLength: 5 }), commands => {
        const writer = new FrameWriter()
        for (const args of commands) writer.append('$3\r\nSET\r\n', args)
        const whole = Buffer.concat([Buffer.from(`*${commands.length}\r\n`), written(writer)])
        expect(decodeReply(whole, { buffers: true })).toEqual(
          commands.map(args => [Buffer.from('SET'), ...args.map(bytesOf)]),
        )
        expect(writer.bytes).toBe(0)
        expect(writer.take()).toEqual([])
      }),
    )
  })

  it('hands plain ASCII over as one piece, small binary-safe text included', () => {
    const writer = new FrameWriter()
    writer.append('$3\r\nGET\r\n', ['key', 1, Buffer.from('ascii')])
    writer.append('$3\r\nGET\r\n', ['other'])
    expect(writer.take()).toEqual([{ data: expect.any(String), encoding: 'latin1' }])
  })

  it('hands a large Buffer over as it is, without a copy', () => {
    const large = Buffer.alloc(100_000, 'x')
    const writer = new FrameWriter()
    writer.append('$3\r\nSET\r\n', ['key', large])
    expect(writer.take().some(({ data }) => data === large)).toBe(true)
  })

  it('counts UTF-8 as Buffer.byteLength does', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), text => utf8Length(text) === Buffer.byteLength(text)))
  })
})
