// Deep path of ioredis, kept for those who import it.

export { Commander as default } from '../../ioredis/methods.js'
