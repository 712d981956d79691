import { describe, expect, it } from 'vitest'
import { blockingTimeoutMs, isBlocking } from '../../../src/command/blocking.js'
import { type Argument, CommandFlag, resolveCommand, specOf } from '../../../src/command/command.js'
import { commandNames, findSpec } from '../../../src/command/table.js'

function blocking(name: string, args: Argument[]): [boolean, number | null] {
  const spec = specOf(resolveCommand(name), args)
  return [isBlocking(spec, args), blockingTimeoutMs(spec, args)]
}

describe('isBlocking and blockingTimeoutMs', () => {
  it.each([
    ['BLPOP', ['a', 'b', 0], true, 0],
    ['blpop', ['a', '1.5'], true, 1500],
    ['BLPOP', ['a', Buffer.from('2')], true, 2000],
    ['BRPOP', ['a', '0.0001'], true, 1],
    ['BRPOPLPUSH', ['a', 'b', 3n], true, 3000],
    ['BLMOVE', ['a', 'b', 'LEFT', 'LEFT', '1e1'], true, 10_000],
    ['BLMPOP', [2, 1, 'a', 'LEFT'], true, 2000],
    ['BZMPOP', ['0', '1', 'a', 'MIN'], true, 0],
    ['BZPOPMIN', ['a', '1'], true, 1000],
    ['BZPOPMAX', ['a', '1'], true, 1000],
    ['WAIT', [1, 250], true, 250],
    ['WAITAOF', [1, 1, '0'], true, 0],
    ['XREAD', ['STREAMS', 'a', '0'], false, null],
    ['XREAD', ['BLOCK', 100, 'STREAMS', 'a', '$'], true, 100],
    ['XREAD', ['COUNT', 1, 'block', '0', 'STREAMS', 'a', '$'], true, 0],
    ['XREAD', ['STREAMS', 'BLOCK', '100'], false, null],
    ['XREAD', ['COUNT', 'BLOCK', 'STREAMS', 'a', '0'], false, null],
    ['XREADGROUP', ['GROUP', 'BLOCK', 'BLOCK', 'STREAMS', 'a', '>'], false, null],
    ['XREADGROUP', ['GROUP', 'g', 'c', 'NOACK', 'COUNT', 1, 'BLOCK', 5, 'STREAMS', 'a', '>'], true, 5],
    ['XREADGROUP', ['GROUP', 'g', 'c', 'CLAIM', 10, 'BLOCK', 5, 'STREAMS', 'a', '>'], true, 5],
    ['GET', ['BLOCK'], false, null],
    ['LPOP', ['a', 1], false, null],
    ['novel.command', ['BLOCK', 1], false, null],
  ] as [string, Argument[], boolean, number | null][])('%s %o: %s, %s', (name, args, isBlockingCall, timeoutMs) => {
    expect(blocking(name, args)).toEqual([isBlockingCall, timeoutMs])
  })

  it.each([
    ['BLPOP', []],
    ['BLPOP', ['a', '']],
    ['BLPOP', ['a', 'soon']],
    ['BLPOP', ['a', ' 1']],
    ['BLPOP', ['a', -1]],
    ['BLPOP', ['a', Number.POSITIVE_INFINITY]],
    ['BLPOP', ['a', 'x'.repeat(100)]],
    ['WAIT', [1]],
    ['XREAD', ['BLOCK']],
  ] as [string, Argument[]][])('%s %o has no timeout that the server would take', (name, args) => {
    expect(blocking(name, args)).toEqual([true, null])
  })

  it('knows where the timeout is for every command flagged as blocking', () => {
    const flagged = commandNames().filter(name => ((findSpec(name)?.flags ?? 0) & CommandFlag.blocking) !== 0)
    const always = flagged.filter(name => isBlocking(findSpec(name)!, []))
    expect(flagged.filter(name => !always.includes(name))).toEqual(['XREAD', 'XREADGROUP'])
    for (const name of always)
      expect(blockingTimeoutMs(findSpec(name)!, ['1', '1', '1', '1', '1']), name).not.toBeNull()
  })
})
