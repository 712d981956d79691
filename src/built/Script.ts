// Deep path of ioredis, kept for those who import it.

export { Script as default } from '../ioredis/script.js'
