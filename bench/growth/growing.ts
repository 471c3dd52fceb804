/** Adds what is missing up to a level, and says what one cost. */
export class Growing {
  readonly #add: (count: number) => Promise<void>;
  #there = 0;
  #each = 0;

  /** @param add - adds so many. */
  constructor(add: (count: number) => Promise<void>) {
    this.#add = add;
  }

  /** @returns microseconds for each that was added last. */
  async to(level: number): Promise<number> {
    const missing = level - this.#there;
    if (missing <= 0) return this.#each;
    const startMs = performance.now();
    await this.#add(missing);
    this.#there = level;
    this.#each = ((performance.now() - startMs) * 1_000) / missing;
    return this.#each;
  }
}
