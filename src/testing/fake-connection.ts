// FakeConnection: one connection that a fake server has accepted.
// Owns    the socket, the bytes to be sent on it, and its session.
// Born    when the server accepts.
// Dies    on the socket's `close` event.

import type { Socket } from 'node:net'
import { type Answer, encodeAnswer, Failure, Rendered, Several } from './answer.js'
import { CommandReader } from './command-reader.js'
import { loopback, pairKey } from './loopback.js'
import { type Faults, Outgoing } from './outgoing.js'
import { Session } from './session.js'
import { silence } from './wire.js'

/** What a connection needs of its server. */
export interface ConnectionOwner {
  readonly faults: Faults
  /** The answer to one command; raw RESP where a handler gave it. */
  answer(connection: FakeConnection, words: readonly string[]): Answer | Buffer | typeof silence
  onClosed(connection: FakeConnection): void
}

export class FakeConnection {
  /** @internal */
  readonly session: Session
  /** @internal */
  readonly socket: Socket
  /** @internal */
  readonly pairKey: number
  readonly #owner: ConnectionOwner
  readonly #outgoing: Outgoing
  readonly #reader = new CommandReader()
  /** Replies of the turn, to be written together. */
  #text = ''
  #isReading = false

  /** Made by its server. */
  constructor(socket: Socket, id: number, isAuthenticated: boolean, owner: ConnectionOwner) {
    this.socket = socket
    this.#owner = owner
    this.pairKey = pairKey(socket.remotePort, socket.localPort)
    this.#outgoing = new Outgoing(socket, owner.faults, () => loopback.touched(this))
    const peer = {
      address: `${socket.remoteAddress}:${socket.remotePort}`,
      localAddress: `${socket.localAddress}:${socket.localPort}`,
    }
    this.session = new Session(id, peer, isAuthenticated, answer => this.#sendLate(answer))
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#onClose())
    socket.on('data', chunk => {
      loopback.touched(this)
      this.#reader.append(chunk)
      this.#read()
    })
    if (owner.faults.frozen) socket.pause()
    loopback.opened(this)
  }

  /** @internal */
  get isFrozen(): boolean {
    return this.#owner.faults.frozen
  }

  /** Its number, as CLIENT ID tells it. */
  get id(): number {
    return this.session.id
  }

  /** The name that the client has given itself by CLIENT SETNAME or HELLO; empty for none. */
  get name(): string {
    return this.session.name
  }

  /** The protocol that HELLO has agreed on; 2 before. */
  get protocol(): 2 | 3 {
    return this.session.protocol
  }

  /** Sends bytes that nobody has asked for. */
  send(raw: string | Buffer): void {
    this.#flush()
    this.#outgoing.write(Buffer.from(raw as string))
  }

  /** Sends the bytes, then closes (FIN), in the middle of whatever they began. */
  cut(raw: string | Buffer = ''): void {
    if (raw.length > 0) this.send(raw)
    else this.#flush()
    this.#outgoing.end()
  }

  /** Resets the connection (RST), as a crashed host would. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** @internal The faults of the server have changed. */
  onFaultsChanged(): void {
    if (this.#owner.faults.frozen) {
      this.socket.pause()
      return
    }
    this.socket.resume()
    this.#outgoing.pump()
    this.#read()
  }

  #read(): void {
    if (this.#isReading) return
    this.#isReading = true
    const { session } = this
    while (!session.ending && session.blocked === null && !this.socket.destroyed && !this.#owner.faults.frozen) {
      const words = this.#reader.next()
      if (words === null) break
      if (words instanceof Failure) {
        this.#put(words)
        session.ending = true
      } else this.#put(this.#owner.answer(this, words))
    }
    this.#isReading = false
    this.#flush()
    if (session.ending) this.#outgoing.end()
  }

  #put(answer: Answer | Buffer | typeof silence): void {
    if (answer === silence || (answer instanceof Several && answer.replies.length === 0)) return
    const { faults } = this.#owner
    if (faults.mute) return
    if (faults.cutAfterBytes !== null) {
      const bytes = Buffer.isBuffer(answer) ? answer : Buffer.from(encodeAnswer(answer, this.protocol), 'latin1')
      const end = faults.cutAfterBytes
      faults.cutAfterBytes = null
      this.cut(bytes.subarray(0, end))
    } else if (Buffer.isBuffer(answer) || answer instanceof Rendered) {
      this.#flush()
      this.#outgoing.write(Buffer.isBuffer(answer) ? answer : answer.bytes)
    } else {
      this.#text += encodeAnswer(answer, this.protocol)
    }
  }

  #sendLate(answer: Answer): void {
    this.#put(answer)
    if (this.#isReading) return
    this.#flush()
    // What was held back while it was blocked goes on.
    this.#read()
  }

  #flush(): void {
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    this.#outgoing.write(Buffer.from(text, 'latin1'))
  }

  #onClose(): void {
    loopback.closed(this)
    this.#outgoing.stop()
    this.session.end()
    this.#owner.onClosed(this)
  }
}
