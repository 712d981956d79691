// LoggingNativePush: stand-in for SNS. Sends nothing; counts and logs what it would have sent.

import type { Logger } from 'pino'
import type { NativeMessage, NativePush } from '../native/native.js'

export class LoggingNativePush implements NativePush {
  readonly #log: Logger
  readonly #onSend: () => void

  constructor(log: Logger, onSend: () => void) {
    this.#log = log
    this.#onSend = onSend
  }

  send({ notification, recipient, priority }: NativeMessage): Promise<void> {
    this.#onSend()
    this.#log.debug({ ntf_id: notification.id, user_id: recipient.user, priority }, 'native push not sent: stand-in')
    return Promise.resolve()
  }
}
