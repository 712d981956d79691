// The same, for `import`: names and default are those of the CommonJS module, so there is one of everything.

export * from './index.js'
export { Redis as default } from './index.js'
