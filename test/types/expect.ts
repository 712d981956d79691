// Expect: statements about types, which fail to compile where they are wrong. Nothing here is ever run.

export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

interface Expectation<Actual> {
  /** The type is this one, to the letter. */
  is<Expected>(...wrong: Equal<Actual, Expected> extends true ? [] : [actual: Actual]): void
  /** The type may be used where this one is asked for. */
  fits<Expected>(...wrong: [Actual] extends [Expected] ? [] : [actual: Actual]): void
}

/** A statement about what a promise gives. */
export declare function expect<Actual>(promise: Promise<Actual>): Expectation<Actual>

/** A statement about a value itself. */
export declare function expectValue<Actual>(value: Actual): Expectation<Actual>
