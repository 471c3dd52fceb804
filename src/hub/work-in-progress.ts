/** What one session has given to the broker and is not done yet. */
export class WorkInProgress {
  #count = 0;
  #bytes = 0;
  #waiting: (() => void)[] = [];

  /** @param bytes - that it keeps in memory until it is settled. */
  add(work: Promise<void>, bytes: number): Promise<void> {
    this.#count++;
    this.#bytes += bytes;
    return work.finally(() => {
      this.#count--;
      this.#bytes -= bytes;
      this.#wake();
    });
  }

  /** Counts the bytes alone, until `work` has ended, which must not reject. */
  occupy(work: Promise<void>, bytes: number): void {
    this.#bytes += bytes;
    void work.then(() => {
      this.#bytes -= bytes;
      this.#wake();
    });
  }

  /** Resolves as soon as less than this is in progress. */
  async below(bytes: number): Promise<void> {
    while (this.#bytes >= bytes) await this.#change();
  }

  /** Resolves as soon as nothing is in progress. */
  async done(): Promise<void> {
    while (this.#count > 0) await this.#change();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
