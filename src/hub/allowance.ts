import { ColloquyError } from "../errors.ts";

/** How many of something all clients of a hub may have together. */
export class Allowance {
  readonly #what: string;
  readonly #limit: string;
  readonly #max: number;
  #taken = 0;

  /** @param limit - its name in `HubLimits`. */
  constructor(what: string, limit: string, max: number) {
    this.#what = what;
    this.#limit = limit;
    this.#max = max;
  }

  get taken(): number {
    return this.#taken;
  }

  /** @returns QUEUE_FULL, and nothing is taken, where there is none left. */
  take(): ColloquyError<"QUEUE_FULL"> | undefined {
    if (this.#taken < this.#max) {
      this.#taken++;
      return undefined;
    }
    const message = `${this.#what}: ${this.#limit} ${this.#max} is reached`;
    return new ColloquyError("QUEUE_FULL", message, {
      details: { field: this.#what, limit: this.#max },
    });
  }

  give(): void {
    this.#taken--;
  }
}
