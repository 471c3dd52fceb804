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

  /** @throws QUEUE_FULL. */
  take(): void {
    if (this.#taken >= this.#max) {
      const message = `${this.#what}: ${this.#limit} ${this.#max} is reached`;
      throw new ColloquyError("QUEUE_FULL", message, {
        details: { field: this.#what, limit: this.#max },
      });
    }
    this.#taken++;
  }

  give(): void {
    this.#taken--;
  }
}
